// A button that fires only when it is held: by mouse, touch or key, for the whole time, with a ring that fills.
export default {
  template: `
    <button type="button" class="fz-fire" :class="{holding, fired}" :data-hold-key="hotkey" :aria-label="label + ', hold for ' + seconds + ' s'"
      :style="{'--fz-hold': seconds + 's'}" ref="button" @pointerdown.prevent="press" @pointerup="release" @pointerleave="release"
      @pointercancel="release" @contextmenu.prevent @keydown="key" @keyup="release" @blur="release">
      <svg viewBox="0 0 36 36" aria-hidden="true"><circle cx="18" cy="18" r="15"/><circle class="fill" cx="18" cy="18" r="15" pathLength="100"/></svg>
      <span class="fz-fire-words"><b>{{ label }}</b><small>{{ holding ? 'keep holding …' : hint }}</small></span>
    </button>`,
  props: { label: String, hint: String, seconds: Number, hotkey: String },
  emits: ["fire"],
  data: () => ({ holding: false, fired: false }),
  mounted() {
    this.$refs.button.addEventListener("fz-hold", this.press);
    this.$refs.button.addEventListener("fz-release", this.release);
    document.addEventListener("visibilitychange", this.release);
    window.addEventListener("blur", this.release);
  },
  unmounted() {
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.release);
    window.removeEventListener("blur", this.release);
  },
  methods: {
    press(event) {
      if (this.holding || (event.button ?? 0) !== 0 || !window.framezero.live()) return;
      this.holding = true;
      this.timer = setTimeout(() => {
        this.release();
        this.fired = true;
        setTimeout(() => (this.fired = false), 1500);
        window.framezero.press((args) => this.$emit("fire", args), this.$refs.button);
      }, this.seconds * 1000);
    },
    release() {
      clearTimeout(this.timer);
      this.holding = false;
    },
    key(event) {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.press({});
    },
  },
};
