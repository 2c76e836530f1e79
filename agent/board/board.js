// What the page needs at the hand of the operator, and NiceGUI has no way for: the house clock, the watch over the
// connection, and keys. One object, `framezero`; all that is sent to the board goes through `framezero.press`.
(() => {
  const STALE_MS = 3500; // the board beats once a second
  const AGAIN_MS = 20000, SOON_MS = 1000, DRIFT = 1e-4; // a crystal is off by less
  // House time in us = performance.now() in us + offset; `way_us` is half of the way there and back, at `at_ms`.
  const clock = { offset_us: null, way_us: null, error_us: null, at_ms: 0 };
  // performance.now() stands still while a computer sleeps: `ahead_ms` is how far its clock is ahead of that.
  const sleep = { ahead_ms: null, naps: 0 };
  const beat = { at_ms: null, seen: null, connected: false };
  let lost = null; // why the page is not live, null while it is

  function nowUs() {
    return clock.offset_us === null ? null : performance.now() * 1000 + clock.offset_us;
  }

  function doubtUs() {
    return clock.way_us + (performance.now() - clock.at_ms) * 1000 * DRIFT + (clock.error_us ?? 0);
  }

  // As NTP does: of several exchanges the fastest one is the best, and half of its way there and back is the doubt.
  async function measure() {
    for (let i = 0; i < 6; i++) {
      const sent = performance.now(), naps = sleep.naps;
      try {
        const answer = await fetch(framezero.timeUrl, { cache: "no-store", signal: AbortSignal.timeout(3000) });
        const back = performance.now();
        if (!answer.ok) break;
        const told = await answer.json();
        const way = ((back - sent) / 2) * 1000, error = told.error_us ?? null;
        // Of a slept computer, or since a wall vouches for the time, what was measured before counts for nothing.
        const vouched = error !== null && clock.error_us === null;
        if (naps === sleep.naps && (clock.offset_us === null || vouched || way + (error ?? 0) <= doubtUs())) {
          Object.assign(clock, { offset_us: told.utc_us - ((sent + back) / 2) * 1000, way_us: way, error_us: error, at_ms: back });
        }
      } catch {
        break; // the watch says it when the connection is lost
      }
    }
  }

  async function keepTime() {
    await measure();
    setTimeout(keepTime, clock.offset_us === null ? SOON_MS : AGAIN_MS);
  }

  // A computer that has slept, or whose clock was set: the first has to measure anew, the second does it no harm.
  function wake() {
    const ahead = Date.now() - performance.now();
    const leapt = sleep.ahead_ms !== null && Math.abs(ahead - sleep.ahead_ms) > 500;
    sleep.ahead_ms = ahead;
    if (!leapt) return;
    sleep.naps++;
    clock.offset_us = null;
    measure();
  }

  function say(why) {
    if (why === lost) return;
    lost = why;
    document.body.classList.toggle("fz-lost", why !== null);
    const words = document.querySelector(".fz-lost-why");
    if (why !== null && words) {
      const last = beat.seen ? ` It shows what was at ${beat.seen}.` : "";
      words.textContent = `${why}${last} Nothing can be sent from here. The walls go on by themselves.`;
      document.title = "✕ NOT LIVE";
    }
  }

  const zones = new Map();
  function zoned(zone) {
    if (!zones.has(zone)) {
      const wanted = { timeZone: zone, hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" };
      try {
        zones.set(zone, new Intl.DateTimeFormat("en-GB", wanted));
      } catch {
        zones.set(zone, null); // a zone that this browser does not know
      }
    }
    return zones.get(zone);
  }

  function span(us) {
    const s = Math.max(0, us / 1e6);
    return s < 100 ? `${s.toFixed(0)} s` : s < 5400 ? `${(s / 60).toFixed(0)} min` : `${(s / 3600).toFixed(1)} h`;
  }

  // How far the browser's own clock is off, and how well the countdown knows better.
  function clockWords() {
    const own = Date.now() * 1000 - nowUs(), off = Math.abs(own), doubt = doubtUs();
    const much = off < 1e6 ? `${(off / 1000).toFixed(0)} ms` : off < 1e8 ? `${(off / 1e6).toFixed(1)} s` : `${(off / 6e7).toFixed(0)} min`;
    const which = off < doubt ? "this screen's clock is right" : `this screen's clock is ${much} ${own > 0 ? "fast" : "slow"}; corrected`;
    return `${which} ±${(doubt / 1000).toFixed(0)} ms${clock.error_us === null ? ", as no wall vouches for the time yet" : ""}`;
  }

  // Ages and local times go on by the house clock, so that the board need not send them.
  function tick() {
    const now = nowUs();
    if (now === null || lost !== null) return;
    sift();
    const write = (place, text) => place.textContent === text || (place.textContent = text);
    for (const place of document.querySelectorAll("[data-zone]")) {
      write(place, zoned(place.dataset.zone)?.format(new Date(Number(place.dataset.at ?? now) / 1000)) ?? "–");
    }
    for (const place of document.querySelectorAll(".fz-browser-clock")) write(place, clockWords());
    for (const place of document.querySelectorAll("[data-since]")) write(place, `for ${span(now - Number(place.dataset.since))}`);
    for (const place of document.querySelectorAll("[data-age]")) write(place, `${span(now - Number(place.dataset.age))} old`);
  }

  let wanted = "";
  function sift() {
    for (const card of document.querySelectorAll(".fz-card")) {
      const good = card.classList.contains("good");
      card.classList.toggle("sifted", !card.dataset.filter.includes(wanted) || (framezero.onlyWrong && good));
    }
  }

  function look() {
    wake();
    if (beat.at_ms === null) return; // it has only begun to load
    const connected = window.socket?.connected ?? false;
    if (connected) beat.connected = true;
    if (performance.now() - beat.at_ms > STALE_MS) say("The board has stopped telling.");
    else if (connected) say(null);
    else if (beat.connected) say("The board cannot be reached.");
    document.body.toggleAttribute("data-live", framezero.live());
  }

  // While the board is away, knock at it: a hung connection is cut as soon as the board answers on another one.
  // NiceGUI would reload the page when connecting times out, and a browser's error page never comes back.
  async function knock() {
    if (lost === null || !window.socket) return;
    try {
      const answer = await fetch(framezero.timeUrl, { cache: "no-store", signal: AbortSignal.timeout(2000) });
      if (answer.status === 401) return say("The board asks for a token again: open its address with the token.");
      if (!answer.ok || performance.now() - beat.at_ms < 3 * STALE_MS) return; // it may come back by itself
      if (window.socket.connected) window.location.reload();
      else window.socket.disconnect().connect();
    } catch {
      // still away
    }
  }

  function typing(target) {
    return target.closest("input, textarea, select, [contenteditable=true], [role=menu]") !== null;
  }

  function find(key) {
    return document.querySelector(`[data-key="${CSS.escape(key)}"]:not([disabled])`);
  }

  function down(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const onControl = event.target.closest("button, a, [role=button], .ag-root-wrapper");
    // Space and Enter on a control that has the focus mean that control, and nothing else.
    if ((event.key === " " || event.key === "Enter") && onControl) return;
    if (event.key.startsWith("Arrow") && onControl && onControl.matches(".ag-root-wrapper")) return;
    const holder = document.querySelector(`[data-hold-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (holder) {
      event.preventDefault();
      if (!event.repeat) holder.dispatchEvent(new CustomEvent("fz-hold"));
      return;
    }
    const found = find(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!found) return;
    event.preventDefault();
    if (event.repeat) return;
    if (found.matches("input")) found.focus();
    else found.click();
  }

  function up(event) {
    const holder = document.querySelector(`[data-hold-key="${CSS.escape(event.key.toLowerCase())}"]`);
    holder?.dispatchEvent(new CustomEvent("fz-release"));
  }

  window.framezero = {
    timeUrl: "/time",
    onlyWrong: false,
    grid: null,
    // The colour of a verdict in the table, by its shape.
    tones: Object.fromEntries(
      Object.entries({ good: "●", warn: "▲?", bad: "✕■" }).map(([kind, shapes]) => [kind, (p) => shapes.includes(p.value?.[0])]),
    ),
    filter(text) {
      wanted = text.trim().toLowerCase();
      framezero.grid?.setGridOption("quickFilterText", wanted);
      sift();
    },
    wrong(only) {
      framezero.onlyWrong = only;
      framezero.grid?.onFilterChanged();
      sift();
    },
    nowUs,
    doubtUs,
    live: () => lost === null && beat.connected,
    // The socket keeps what is sent while the connection is away, and would send it when it is back: a GO from
    // minutes ago. So nothing is sent while the page is not live, and what is sent says when it was pressed.
    press(emit, element) {
      if (!this.live()) return;
      emit({ line: element?.dataset?.line ?? null, at_us: Math.round(nowUs() ?? 0) });
    },
    beat(seen) {
      beat.at_ms = performance.now();
      beat.seen = seen;
      if (window.socket && !window.socket.fzWatched) {
        window.socket.fzWatched = true;
        window.socket.io.timeout(false);
        window.socket.on("disconnect", look);
      }
      look();
    },
  };
  document.addEventListener("keydown", down);
  document.addEventListener("keyup", up);
  // A press by hand leaves no focus behind: the next Space is GO, and not the same button again.
  document.addEventListener("mousedown", (event) => event.target.closest?.(".fz-button, .fz-fire") && event.preventDefault());
  setInterval(look, 250);
  setInterval(tick, 500);
  setInterval(knock, 4000);
  keepTime();
  document.addEventListener("visibilitychange", () => document.hidden || measure());
})();
