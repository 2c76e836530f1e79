// A countdown to the millisecond, by the house clock, drawn with the screen's own frames.
export default {
  template: `<span class="fz-countdown" role="timer" aria-live="off"><span ref="head"></span><small ref="tail"></small></span>`,
  props: { due_us: Number, idle: String, clock: Boolean, title: String },
  mounted() {
    const draw = () => {
      this.frame = requestAnimationFrame(draw);
      this.draw();
    };
    this.drawn = "";
    draw();
    // A hidden tab draws no frames, and its title is what is seen of it.
    this.ticking = setInterval(() => this.name(), 500);
  },
  unmounted() {
    cancelAnimationFrame(this.frame);
    clearInterval(this.ticking);
  },
  methods: {
    draw() {
      const now = window.framezero?.nowUs();
      const text = this.clock ? this.time(now) : this.left(now);
      if (text === this.drawn) return;
      this.drawn = text;
      const dot = text.indexOf(".");
      this.$refs.head.textContent = dot < 0 ? text : text.slice(0, dot);
      this.$refs.tail.textContent = dot < 0 ? "" : text.slice(dot);
    },
    time(now) {
      return now === null || now === undefined ? "–" : new Date(now / 1000).toISOString().slice(11, 21);
    },
    left(now) {
      if (!this.due_us) return this.idle ?? "";
      if (now === null || now === undefined) return "T−…";
      const ms = Math.floor(Math.abs(this.due_us - now) / 1000);
      const two = (n) => String(n).padStart(2, "0");
      const days = Math.floor(ms / 86400000);
      const time = `${two(Math.floor(ms / 3600000) % 24)}:${two(Math.floor(ms / 60000) % 60)}:${two(Math.floor(ms / 1000) % 60)}`;
      const whole = `${days ? `${days} d ` : ""}${time}`;
      return this.due_us >= now ? `T−${whole}.${String(ms % 1000).padStart(3, "0")}` : `T+${whole}`;
    },
    name() {
      if (!this.title || document.body.classList.contains("fz-lost")) return;
      const now = window.framezero?.nowUs();
      let left = "";
      if (this.due_us && now && this.due_us > now) {
        const s = Math.floor((this.due_us - now) / 1e6);
        const two = (n) => String(n).padStart(2, "0");
        left = s < 3600 ? ` ${two(Math.floor(s / 60))}:${two(s % 60)}` : ` ${Math.floor(s / 3600)} h`;
      }
      document.title = `${this.title}${left}`;
    },
  },
};
