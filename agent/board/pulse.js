// The board's heartbeat: each change of `seen` is a sign of life.
export default {
  template: `<span hidden></span>`,
  props: { seen: String },
  mounted() {
    window.framezero?.beat(this.seen);
  },
  watch: {
    seen(seen) {
      window.framezero?.beat(seen);
    },
  },
};
