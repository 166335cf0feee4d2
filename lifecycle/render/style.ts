// The page's style sheet: one column on a narrow screen and on paper; on a wide screen the verdicts stand beside the drawing.
import { DRAWING, theme } from "./theme.ts";

export const STYLE = [
	theme(":root"),
	"*{box-sizing:border-box}html{scroll-padding-top:12px}",
	"body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}",
	"main{max-width:1640px;margin:0 auto;padding:28px 32px 72px}",
	"h1{font-size:28px;line-height:1.2;letter-spacing:-.01em;margin:0 0 4px}h2{font-size:20px;line-height:1.3;margin:44px 0 12px;padding-top:12px;border-top:1px solid var(--line)}h3{font-size:13px;font-weight:600;color:var(--soft);margin:18px 0 6px}",
	"p{margin:.4em 0;max-width:80ch}.soft{color:var(--soft)}.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}",
	"a{color:inherit;text-decoration-color:var(--soft);text-decoration-thickness:1px;text-underline-offset:3px}a:hover{text-decoration-color:currentColor}",
	"nav{margin:14px 0 0}nav a{margin-right:1.4em;white-space:nowrap}",
	"pre{background:var(--band);border:1px solid var(--line);border-radius:6px;padding:12px 16px;margin:0;overflow-x:auto;font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}",
	".yaml{white-space:pre-wrap;overflow-wrap:anywhere}.scroll{overflow-x:auto}",
	// The long text is as high as what stands beside it, so that no blank is left under it.
	".two{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr);gap:0 28px}.two>div{display:flex;flex-direction:column}.long{flex:1 0 47em;overflow:auto}",
	".beside{display:grid;grid-template-areas:'drawing verdicts' 'words verdicts';grid-template-columns:minmax(0,1fr) 400px;grid-template-rows:auto 1fr;gap:0 36px;align-items:start}",
	".drawing{grid-area:drawing}.verdicts-part{grid-area:verdicts}.verdicts-part h3{margin-top:0}.words{grid-area:words}.words table{width:auto}",
	"table{border-collapse:collapse;width:100%;font-size:13.5px}th{text-align:left;font-weight:600;color:var(--soft);white-space:nowrap}td,th{padding:6px 16px 6px 0;vertical-align:top;border-bottom:1px solid var(--line)}td:last-child,th:last-child{padding-right:0}",
	".entries{font-size:12.5px}section>.scroll>.entries td:nth-child(-n+2){text-align:right;font-variant-numeric:tabular-nums}section>.scroll>.entries td:nth-child(-n+6){white-space:nowrap}",
	".verdicts{list-style:none;margin:0;padding:0}.verdicts li{padding:10px 12px 11px 14px;margin:0 0 8px;border-left:4px solid currentColor;background:var(--band);border-radius:0 6px 6px 0}",
	".verdicts b,.verdicts p{color:var(--ink)}.verdicts p{font-size:13.5px;line-height:1.45}.verdicts p.soft{color:var(--soft);font-size:12.5px}.verdicts blockquote{margin:0;display:inline}",
	".word{font-size:12px;font-weight:700;letter-spacing:.03em;white-space:nowrap}.pass{color:var(--good)}.fail{color:var(--bad)}.not-guaranteed{color:var(--open)}.not-observed{color:var(--none)}",
	".verdicts .word{display:block}.verdicts b{font-size:14.5px}.count{display:inline-block;margin-right:1.4em}.problem{border-left:4px solid var(--open);padding:2px 0 2px 12px}",
	":target{background:var(--cut)}tr:target,li:target{outline:2px solid var(--soft);outline-offset:-1px}section:target,h2:target{background:none}",
	"summary{cursor:pointer;color:var(--soft);padding:4px 0}svg.life{width:100%;max-width:1240px;height:auto;display:block}",
	".strip path{stroke:var(--soft);fill:none}.strip circle{fill:var(--main);fill-opacity:.55;stroke:var(--main)}",
	DRAWING,
	"@media screen and (max-width:1500px){.beside{grid-template-areas:'drawing' 'verdicts' 'words';grid-template-columns:minmax(0,1fr);grid-template-rows:auto}.verdicts-part h3{margin-top:18px}.verdicts{columns:2 380px;column-gap:20px}.verdicts li{break-inside:avoid}}",
	"@media screen and (max-width:860px){main{padding:18px 16px 48px}.two{display:block}.scroll svg.life{width:1000px}}",
	"@media print{main{max-width:none;padding:0}h2,h3{break-after:avoid}tr,svg,.verdicts li{break-inside:avoid}nav{display:none}pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:9px;padding:6px 8px}body{font-size:11px}table,.entries,.verdicts p,.verdicts p.soft{font-size:10px}.beside,.two,.two>div{display:block}.verdicts{columns:2;column-gap:16px}.scroll,.long{overflow:visible}svg.life{width:100%}td,th{padding-right:8px}}",
].join("\n");
