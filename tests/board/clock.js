// The page's clock without a browser: board.js with a world of its own, in which time goes when the test says so.
// `node clock.js BOARD.JS`; prints one JSON line a case.
const fs = require("fs");
const vm = require("vm");

// Each exchange takes `there` and `back` ms; `null` is one that fails. Then the time on the page is told.
async function world(steps) {
  const state = { mono: 1000, wall: 5_000_000, ways: [], timers: [] };
  const truth = () => 1_700_000_000_000_000 + Math.round(state.mono * 1000) + state.slept * 1000;
  state.slept = 0;
  const nothing = () => undefined;
  const sandbox = {
    performance: { now: () => state.mono },
    Date: class extends Date { static now() { return state.wall + state.mono; } },
    AbortSignal: { timeout: () => null },
    setInterval: (step, every) => state.timers.push({ step, every }),
    setTimeout: (step, after) => state.timers.push({ step, after }),
    document: {
      addEventListener: nothing,
      querySelector: () => null,
      querySelectorAll: () => [],
      body: { classList: { toggle: nothing }, toggleAttribute: nothing },
    },
    fetch: async () => {
      const way = state.ways.shift();
      if (way === undefined || way === null) throw new Error("away");
      state.mono += way.there;
      const told = { utc_us: truth(), error_us: way.error ?? 4000 };
      state.mono += way.back;
      return { ok: true, json: async () => told };
    },
  };
  sandbox.window = sandbox;
  vm.createContext(sandbox);
  const settle = async () => { for (let i = 0; i < 60; i++) await null; };
  const page = () => sandbox.framezero;
  const error = () => (page().nowUs() === null ? null : Math.abs(page().nowUs() - truth()));
  const again = async (named) => {
    const found = state.timers.filter((one) => named(one));
    for (const one of found) {
      if (one.after !== undefined) state.timers.splice(state.timers.indexOf(one), 1);
      one.step();
    }
    await settle();
  };
  const hands = {
    state, settle, error, page,
    start: async () => { vm.runInContext(fs.readFileSync(process.argv[2], "utf8"), sandbox); await settle(); },
    measure: () => again((one) => one.after !== undefined),
    look: () => again((one) => one.every === 250),
  };
  return steps(hands);
}

const ways = (...pairs) => pairs.map((pair) => pair && { there: pair[0], back: pair[1] });
const cases = {
  // One way of five is quick both there and back; the others are lopsided.
  async the_fastest_counts(hands) {
    hands.state.ways = ways([900, 10], [400, 5], [3, 2], [10, 700], [5, 300], [80, 80]);
    await hands.start();
    return { error: hands.error(), doubt: hands.page().doubtUs() };
  },
  async a_slow_line_later_spoils_nothing(hands) {
    hands.state.ways = ways([3, 2], [3, 3], [3, 3], [3, 3], [3, 3], [3, 3]);
    await hands.start();
    hands.state.mono += 20_000;
    hands.state.ways = ways([1500, 10], [1500, 10], [1500, 10], [1500, 10], [1500, 10], [1500, 10]);
    await hands.measure();
    return { error: hands.error(), doubt: hands.page().doubtUs() };
  },
  async one_that_fails_does_not_lose_the_others(hands) {
    hands.state.ways = ways([3, 2], null);
    await hands.start();
    return { error: hands.error(), doubt: hands.page().doubtUs() };
  },
  async where_none_came_it_is_tried_again_soon(hands) {
    hands.state.ways = ways(null);
    await hands.start();
    const soon = hands.state.timers.find((one) => one.after !== undefined).after;
    hands.state.ways = ways([3, 2], null);
    await hands.measure();
    return { error: hands.error(), doubt: hands.page().doubtUs(), soon };
  },
  async a_clock_that_is_set_moves_nothing(hands) {
    hands.state.ways = ways([3, 2], null);
    await hands.start();
    await hands.look();
    hands.state.wall -= 3_600_000;
    hands.state.ways = ways([4, 3], null);
    await hands.look();
    return { error: hands.error(), doubt: hands.page().doubtUs() };
  },
  // performance.now() has stood still; the quick exchange from before must not outdo the slower one after it.
  async a_computer_that_has_slept_measures_anew(hands) {
    hands.state.ways = ways([1, 1], null);
    await hands.start();
    await hands.look();
    hands.state.slept = 600_000;
    hands.state.wall += 600_000;
    hands.state.ways = ways([40, 60], null);
    await hands.look();
    return { error: hands.error(), doubt: hands.page().doubtUs() };
  },
};

(async () => {
  for (const [name, steps] of Object.entries(cases)) console.log(JSON.stringify({ name, ...(await world(steps)) }));
})();
