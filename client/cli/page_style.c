// SPDX-License-Identifier: Apache-2.0
// The page's style sheet. Text and its ground differ by a contrast of 4.5 and more in both themes; training and
// validation differ by outline and fill, not by colour alone.
#include "page.h"

// clang-format off
const char *const page_style[] = {
":root{--paper:#fdfcf9;--panel:#f5f2ea;--ink:#22252a;--soft:#585d65;--rule:#ddd8cc;--val:#2f6690;--train:#dbe5ec;"
"--edge:#6d8ba3;--ref:#9a3d10;--fine:#22633f;--look:#98360b}\n",
"@media (prefers-color-scheme:dark){:root{--paper:#15171b;--panel:#1e2126;--ink:#e8e5de;--soft:#a8acb3;--rule:#363a41;"
"--val:#86b6de;--train:#26343f;--edge:#7793a9;--ref:#eba57c;--fine:#8fcaa6;--look:#f2ab86}}\n",
"*{box-sizing:border-box}\n",
"html{background:var(--paper);color:var(--ink);font:17px/1.55 Charter,'Bitstream Charter','Iowan Old Style',"
"'Palatino Linotype',Palatino,'Source Serif 4','Noto Serif','Noto Serif Bengali',Georgia,serif;"
"-webkit-text-size-adjust:100%}\n",
"body{max-width:50rem;margin:0 auto;padding:4.5rem 1.5rem 5rem}\n",
"h1,h2,h3{font-weight:600;line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}\n",
"h1{font-size:2.9rem;margin:.1em 0 .35em}\n",
"h2{font-size:1.6rem;margin:0 0 .45em}\n",
"h3{font-size:1.1rem;margin:2.4rem 0 .5rem}\n",
"p{margin:0 0 1em;max-width:42rem}\n",
".kicker,nav,table,svg,figcaption,dl,.glance b,.legend,summary,footer,.note{font-family:ui-sans-serif,system-ui,"
"-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans Bengali','Liberation Sans','DejaVu Sans',sans-serif}\n",
".kicker{font-size:.75rem;letter-spacing:.14em;text-transform:uppercase;color:var(--soft);margin:0}\n",
".lede{font-size:1.22rem;line-height:1.5;color:var(--soft);overflow-wrap:anywhere}\n",
"nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;padding:.9rem 0;margin:2rem 0 0;font-size:.83rem;"
"border-block:1px solid var(--rule)}\n",
"a{color:var(--val);text-underline-offset:.18em;text-decoration-thickness:1px}\n",
"nav a{text-decoration:none}\n",
"a:hover{text-decoration:underline}\n",
"a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--val);outline-offset:3px}\n",
"section{margin-top:4.2rem;scroll-margin-top:1.5rem}\n",
".what{color:var(--soft);margin-bottom:1.6rem}\n",
".what em{font-style:italic;color:var(--ink)}\n",
".note{font-size:.83rem;color:var(--soft)}\n",
".glance{list-style:none;margin:0;padding:0;border-top:1px solid var(--rule)}\n",
".glance li{display:grid;grid-template-columns:5.2rem 1fr;gap:1rem;align-items:baseline;padding:.72rem 0;"
"border-bottom:1px solid var(--rule);overflow-wrap:anywhere}\n",
".glance b{font-size:.78rem;font-weight:600;letter-spacing:.02em;white-space:nowrap}\n",
".fine b,b.fine{color:var(--fine)}.look b,b.look{color:var(--look)}\n",
".scroll{overflow-x:auto;margin:0 0 1.5rem}\n",
"table{border-collapse:collapse;min-width:100%;font-size:.83rem;line-height:1.4;font-variant-numeric:tabular-nums "
"lining-nums}\n",
"caption{text-align:left;color:var(--soft);padding:0 0 .5rem;font-size:.83rem}\n",
"th{font-weight:600;text-align:left}\n",
"thead th{color:var(--soft);font-weight:500;border-bottom:1px solid var(--soft);vertical-align:bottom}\n",
"td,th{padding:.36rem .9rem .36rem 0;vertical-align:baseline;overflow-wrap:anywhere}\n",
"td:last-child,th:last-child{padding-right:0}\n",
"tbody td,tbody th{border-bottom:1px solid var(--rule)}\n",
"tbody th{font-weight:500}\n",
".n{text-align:right;white-space:nowrap}\n",
"td:not(.n),tbody th{min-width:4rem}\n",
"tr.sum>*{border-bottom:1px solid var(--soft);font-weight:600}\n",
"dl{display:grid;grid-template-columns:max-content 1fr;gap:.36rem 1.4rem;font-size:.83rem;margin:0 0 1.8rem}\n",
"dt{color:var(--soft)}\n",
"dd{margin:0;overflow-wrap:anywhere}\n",
"code,pre,.id{font-family:ui-monospace,'SF Mono','Cascadia Mono',Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',"
"monospace;font-size:.86em}\n",
"pre{background:var(--panel);border-radius:5px;padding:.85rem 1.05rem;margin:0 0 1.2rem;font-size:.8rem;"
"line-height:1.55;white-space:pre-wrap;overflow-wrap:anywhere}\n",
"figure{margin:0 0 1.3rem;break-inside:avoid}\n",
"figcaption{font-size:.83rem;font-weight:600;overflow-wrap:anywhere;margin-bottom:.15rem}\n",
"figcaption span{font-weight:400;color:var(--soft)}\n",
".panels{display:grid;align-items:end;gap:.6rem 1.6rem;"
"grid-template-columns:repeat(auto-fill,minmax(min(21rem,100%),1fr))}\n",
".panels.small{grid-template-columns:repeat(auto-fill,minmax(min(14rem,100%),1fr))}\n",
".panels{margin-bottom:1.6rem}\n",
	".panels figure{margin:0}\n",
"svg{display:block;max-width:100%;height:auto;font-size:11px;font-variant-numeric:tabular-nums}\n",
"svg text{fill:var(--soft)}\n",
".mid{text-anchor:middle}.end{text-anchor:end}.cut{fill:var(--ref)!important}\n",
".val{fill:var(--val)}.train{fill:var(--train);stroke:var(--edge);stroke-width:1}.thin{fill:var(--edge);stroke:none;"
"opacity:.75}\n",
".axis{stroke:var(--soft);fill:none}.ref{stroke:var(--ref);stroke-dasharray:4 3;stroke-width:1.2;fill:none}\n",
".legend{display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;list-style:none;padding:0;margin:0 0 1rem;font-size:.83rem;"
"color:var(--soft)}\n",
".legend svg{display:inline-block;vertical-align:-1px;margin-right:.45rem}\n",
"details{margin:0 0 1.3rem}\n",
"summary{font-size:.83rem;color:var(--val);cursor:pointer;width:max-content;max-width:100%;margin-bottom:.7rem}\n",
"footer{margin-top:4.5rem;padding-top:1.2rem;border-top:1px solid var(--rule);font-size:.78rem;color:var(--soft)}\n",
"footer dl{font-size:inherit}\n",
"@media (max-width:34rem){html{font-size:16px}body{padding-top:2.5rem}h1{font-size:2.2rem}"
".glance li{grid-template-columns:1fr;gap:.1rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}\n",
"@page{size:A4;margin:17mm 16mm 18mm}\n",
"@media print{:root{--paper:#fff;--panel:#f4f2ed;--ink:#1b1d21;--soft:#50555c;--rule:#d4d0c7;--val:#2f6690;"
"--train:#dbe5ec;--edge:#6d8ba3;--ref:#9a3d10;--fine:#22633f;--look:#98360b;color-scheme:light}"
"html{font-size:10.5pt}body{max-width:none;padding:0}nav,summary{display:none}h1{font-size:26pt}"
"section{margin-top:2.4rem}h2,h3,.what,.legend,caption,thead,figcaption{break-after:avoid}tr,svg,.glance li"
"{break-inside:avoid}.what,footer{break-inside:avoid}thead{display:table-header-group}.scroll{overflow:visible}"
"table{font-size:8pt}"
"a{color:inherit;text-decoration:none}"
"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n",
NULL,
};
