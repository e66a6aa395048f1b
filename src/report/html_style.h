#pragma once

// The look of the report: one column of photos, a grid of explanations that follows the width of the window.

namespace vitrail {

inline constexpr char kHtmlStyle[] = R"css(
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6876; --paper: #f5f6f8; --card: #fff; --line: #dde1e7;
        --accent: #2f6fb5; --warn: #8a5a00; --warnpaper: #fff4d9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b3; --paper: #14181e; --card: #1d232b; --line: #303944;
          --accent: #6aa8e8; --warn: #ffd27a; --warnpaper: #3a2f17; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
header, main { max-width: 1500px; margin: 0 auto; padding: 1.5rem; }
header { padding-bottom: 0; }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; }
h2 { margin: 0 0 1rem; font-size: 1.25rem; overflow-wrap: anywhere; }
h3 { margin: 0; font-size: 1.05rem; }
small { margin-left: .6em; color: var(--soft); font-weight: normal; font-size: .85em; }
section { margin-bottom: 2rem; padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
          border-radius: 10px; }
img { display: block; max-width: 100%; height: auto; border-radius: 6px; }
.seen { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; margin-bottom: 1.5rem; }
.seen img { width: 300px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); gap: 1.25rem; }
figure { margin: 0; padding: .75rem; border: 1px solid var(--line); border-radius: 8px; }
figure img { width: 100%; }
figcaption { padding-top: .6rem; }
.target { margin: 0 0 .4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: 0; font-size: .87rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
code { display: block; margin-top: .5rem; color: var(--soft); font-size: .75rem; overflow-wrap: anywhere; }
.prediction { flex: 1 1 360px; max-width: 760px; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.prediction th { color: var(--soft); font-weight: normal; font-size: .85rem; text-align: left; }
.prediction td, .prediction th { padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
.prediction .number { text-align: right; white-space: nowrap; }
.wide { width: 40%; min-width: 80px; }
.bar { display: block; height: .7rem; background: var(--line); border-radius: 3px; overflow: hidden; }
.bar span { display: block; height: 100%; background: var(--accent); }
.badge, .warning { color: var(--warn); background: var(--warnpaper); border-radius: 4px; }
.badge { margin-left: .6em; padding: .1rem .5rem; font-size: .75rem; font-weight: normal; }
.warning { margin: .5rem 0 0; padding: .35rem .6rem; font-size: .85rem; overflow-wrap: anywhere; }
@media print { section, figure { break-inside: avoid; } body { background: #fff; } }
)css";

}  // namespace vitrail
