// A button that fires only when it is held: by mouse, touch or key, for the whole time, with a ring that fills.
export default {
  template: `
    <button type="button" class="fz-fire" :class="{holding, fired}" :data-hold-key="hotkey" :aria-label="label + ', hold for ' + seconds + ' s'"
      ref="button" @pointerdown.prevent="press" @pointerup="release" @pointerleave="left"
      @pointercancel="left" @contextmenu.prevent @keydown="key" @keyup="release" @blur="release">
      <svg viewBox="0 0 36 36" aria-hidden="true"><circle cx="18" cy="18" r="15"/><circle class="fill" cx="18" cy="18" r="15" pathLength="100" :style="{strokeDashoffset: 100 - held / seconds / 10}"/></svg>
      <span class="fz-fire-words"><b>{{ label }}</b><small role="status">{{ holding ? 'keep holding …' : short ? 'let go too early: nothing was sent' : hint }}</small></span>
    </button>`,
  props: { label: String, hint: String, seconds: Number, hotkey: String },
  emits: ["fire"],
  data: () => ({ holding: false, fired: false, short: false, held: 0 }),
  mounted() {
    this.$refs.button.addEventListener("fz-hold", this.press);
    this.$refs.button.addEventListener("fz-release", this.release);
    document.addEventListener("visibilitychange", this.release);
    window.addEventListener("blur", this.release);
  },
  unmounted() {
    clearInterval(this.timer);
    clearTimeout(this.forget);
    document.removeEventListener("visibilitychange", this.release);
    window.removeEventListener("blur", this.release);
  },
  methods: {
    press(event) {
      if (this.holding || (event.button ?? 0) !== 0 || !window.framezero.live()) return;
      this.holding = true;
      this.short = false;
      this.byPointer = event.type === "pointerdown";
      let last = performance.now();
      this.timer = setInterval(() => {
        const now = performance.now();
        // While the page hangs it hears of no letting go, so that time does not count as held.
        this.held += Math.min(now - last, 120);
        last = now;
        if (this.held >= this.seconds * 1000) this.fire();
      }, 40);
    },
    fire() {
      this.holding = false;
      this.release();
      this.fired = true;
      setTimeout(() => (this.fired = false), 1500);
      window.framezero.press((args) => this.$emit("fire", args), this.$refs.button);
    },
    release() {
      clearInterval(this.timer);
      if (this.holding) this.shortly();
      this.holding = false;
      this.held = 0;
    },
    // Whoever means a panic must not believe that it went.
    shortly() {
      this.short = true;
      clearTimeout(this.forget);
      this.forget = setTimeout(() => (this.short = false), 5000);
    },
    left() {
      if (this.byPointer) this.release();
    },
    key(event) {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.press({});
    },
  },
};
