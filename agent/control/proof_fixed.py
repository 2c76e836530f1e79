"""What is the same in every proof: how it looks, on a screen and on A4, and how its figures were measured."""

STYLE = """
:root { --ink: #16202b; --soft: #5b6773; --line: #d9dee3; --wash: #f5f7f8; --bad: #b3371b; --good: #1c6b4a }
* { box-sizing: border-box }
html { background: #e9ecee; -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { font: 15px/1.5 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; color: var(--ink);
  max-width: 1080px; margin: 28px auto; padding: 56px 64px 48px; background: #fff; box-shadow: 0 1px 12px #0002 }
h1, h2, .figures b { font-family: Georgia, "Times New Roman", "Liberation Serif", serif; font-weight: normal }
h1 { font-size: 38px; line-height: 1.15; margin: 6px 0 10px; overflow-wrap: anywhere }
h2 { font-size: 22px; margin: 40px 0 6px; padding-top: 12px; border-top: 1px solid var(--line) }
p { margin: 8px 0; max-width: 78ch }
.kicker { text-transform: uppercase; letter-spacing: .14em; font-size: 12px; color: var(--soft) }
.period { font-size: 17px }
.verdict { border-left: 3px solid var(--good); padding: 1px 0 1px 16px; margin: 20px 0 }
.verdict p { margin: 5px 0 } .verdict .first { font-size: 17px }
.verdict.bad { border-color: var(--bad) }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px; background: var(--line);
  border: solid var(--line); border-width: 1px 0; margin: 26px 0 }
.figures div { background: #fff; padding: 14px 14px 12px 0 } .figures div + div { padding-left: 14px }
.figures b { display: block; font-size: 32px; line-height: 1.2; white-space: nowrap }
.figures span, .note, figcaption { color: var(--soft); font-size: 13px }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; margin: 12px 0 }
th { text-align: right; font-weight: 600; color: var(--soft); border-bottom: 1.5px solid var(--ink);
  padding: 4px 0 4px 10px; vertical-align: bottom; line-height: 1.25 }
td { text-align: right; padding: 4px 0 4px 10px; border-bottom: 1px solid var(--line); vertical-align: top }
th:first-child, td:first-child, .l { text-align: left; padding-left: 0 }
.l + .l, td + .l, th + .l { padding-left: 10px }
td + td { white-space: nowrap } td.l { overflow-wrap: anywhere; min-width: 11em; white-space: normal }
thead { display: table-header-group } tr { break-inside: avoid }
td small, th small { display: block; color: var(--soft); font-weight: normal; font-size: 11.5px }
.bad { color: var(--bad) } .verdict.bad { color: inherit } a { color: inherit } .nowrap { white-space: nowrap }
.scroll { overflow-x: auto }
figure { margin: 14px 0; break-inside: avoid }
svg { width: 100%; height: auto; display: block }
svg text { font-size: 15px; fill: var(--ink) } svg .small { font-size: 13px; fill: var(--soft) }
svg .name { font-weight: 600 }
.panel { fill: var(--wash) } .grid { stroke: #e3e8ec; fill: none } .zero { stroke: #9aa5af; fill: none }
.tick { stroke: var(--soft) } .span { stroke: #8a949d; stroke-width: 1.4; fill: none }
.worst { fill: #b9cfe0 } .middle { fill: #3b6f97 }
ul { padding-left: 20px; margin: 8px 0 } li { margin: 3px 0; overflow-wrap: anywhere }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; margin: 4px 0 0 }
.ring { fill: #fff; stroke: var(--bad); stroke-width: 2 }
svg.sign { display: inline-block; width: 13px; height: 13px; vertical-align: -2px; margin-right: 5px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; font-size: 13px } dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .92em }
@media (max-width: 760px) {
  body { margin: 0; padding: 28px 18px } .figures { grid-template-columns: 1fr 1fr } h1 { font-size: 29px }
}
@media print {
  @page { size: A4; margin: 15mm 14mm 16mm }
  html { background: none } body { box-shadow: none; margin: 0; padding: 0; max-width: none; font-size: 10.5pt }
  h1 { font-size: 25pt } h2 { font-size: 15pt; break-after: avoid; margin-top: 22pt } table { font-size: 8pt;
  margin: 6px 0 }
  th, td { padding-left: 6px } td.l { min-width: 7em }
  td small, th small { font-size: 7.4pt } .figures b { font-size: 21pt } .verdict .first, .period { font-size: 11.5pt }
  .note, figcaption, .figures span, dl, .legend { font-size: 8.8pt } .scroll { overflow: visible }
}
"""

METHOD = """
<h2>How this was measured</h2>
<p>Every film, and every item and loop of it, is a start at an instant in UTC that is reckoned from the signed
cue alone. Each wall’s player writes down when it was <em>due</em> and when it was <em>observed</em>: the
moment at which the display server reported that the pixels had changed (X11 DAMAGE), or, where it does not
say, the moment at which the player (mpv) said that it had shown the frame. The <em>error</em> is the
difference. While a film runs, its frames are judged likewise and summed up each minute.</p>
<p>These instants are of the player’s own clock, which it holds by NTP against several time servers. It knows
how far it may be wrong, and says so: the <em>clock bound</em>. Two walls that observe errors <em>a</em> and
<em>b</em> with bounds <em>A</em> and <em>B</em> were at most |<em>a</em> − <em>b</em>| + <em>A</em> +
<em>B</em> apart. Bounds are limits, not estimates: clocks are usually much better.</p>
<p><strong>What is not in it:</strong> the time that the LED processor, its receiving cards and the cables
need, which is constant for a wall and is taken into account as its configured <code>latency_ms</code>,
unmeasured; whether people could see the wall; and whatever the player’s own display server did not know of.</p>
<p><strong>What it rests on:</strong> the word of the players themselves; nobody else watched. Their records are
<em>not signed</em>. That a record is a venue’s own is vouched for by the message broker, as far as it lets each
player, by its certificate, write under its own name only; whoever can write on a player’s disk, or runs the broker,
could write other ones. The sum below tells whether a table and this page are of the same records, and not who
made them.</p>
"""
