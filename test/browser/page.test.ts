// The report's page in a real browser: what it shows, without a network, in light and dark, and on paper.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run } from "../../commands/run.ts";
import { pageOf } from "../../lifecycle/render/html.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { svgOf } from "../../lifecycle/render/svg.ts";
import { fixture } from "../unit/lifecycle-fixture.ts";

const QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
let folder = "";
before(() => {
	folder = mkdtempSync(join(tmpdir(), "kubeadm-lab-page-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs Chromium once, in a profile of its own; rejects when it does not end in time. */
async function chromium(...args: string[]): Promise<string> {
	const profile = mkdtempSync(join(folder, "profile-"));
	const all = ["--headless", "--no-sandbox", "--disable-gpu", ...QUIET, `--user-data-dir=${profile}`, ...args];
	const { code, stdout } = await run("chromium", all, { timeoutSeconds: 60 }).catch((error) => assert.fail(`${error.message} Run: bash lab/setup chromium`));
	assert.equal(code, 0, "chromium's exit code");
	return stdout;
}
function page(name: string, more = ""): string {
	const file = join(folder, "page.html");
	writeFileSync(file, pageOf(storyOf(fixture(name))).replace("</body>", `${more}</body>`));
	return `file://${file}`;
}
/** What a script in the page finds out, as JSON. */
async function askPage(name: string, expression: string, ...args: string[]): Promise<unknown> {
	const script = `<script>addEventListener("load",()=>{const o=document.createElement("pre");o.id="answer";o.textContent=JSON.stringify(${expression});document.body.append(o)})</script>`;
	const text = await chromium(...args, "--dump-dom", page(name, script));
	const answer = text.match(/<pre id="answer">(.*)<\/pre>/s)?.[1] ?? "null";
	return JSON.parse(answer.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
}

test("the page needs nothing but itself", async () => {
	const text = pageOf(storyOf(fixture("destroyed")));
	assert.doesNotMatch(text, /<(script|link|img|iframe|object|embed)\b|@import|url\(/);
	assert.deepEqual(await askPage("destroyed", "performance.getEntriesByType('resource').map(({ name }) => name)"), []);
});
test("every link inside the page leads to something, both ways between verdicts, drawing and entries", async () => {
	const found = (await askPage(
		"destroyed",
		`{ dead: [...document.querySelectorAll("a")].map((a) => a.getAttribute("href")).filter((href) => href.startsWith("#") && !document.getElementById(href.slice(1))),
		   twice: [...document.querySelectorAll("[id]")].map(({ id }) => id).filter((id, i, all) => all.indexOf(id) !== i),
		   fromDrawing: document.querySelectorAll("svg a").length,
		   fromVerdicts: document.querySelectorAll("li[id^=v-] a[href^='#e']").length,
		   toDrawing: document.querySelectorAll("a[href^='#m']").length, toVerdicts: document.querySelectorAll("a[href^='#v-']").length }`,
	)) as Record<string, unknown[] & number>;
	assert.deepEqual(found.dead, []);
	assert.deepEqual(found.twice, []);
	for (const key of ["fromDrawing", "fromVerdicts", "toDrawing", "toVerdicts"]) assert.ok((found[key] ?? 0) >= 8, `${key}: ${found[key]}`);
});
test("hooks, signals and verdicts are on the page, inside the drawing, and no label lies on another", async () => {
	const found = (await askPage(
		"destroyed",
		`{ text: document.body.innerText, outside: [...document.querySelectorAll("svg text")].filter((t) => { const b = t.getBBox(); return b.x < 0 || b.x + b.width > 1121; }).map((t) => t.textContent),
		   overlaps: (() => { const boxes = [...document.querySelectorAll("svg text[class^=m-], svg text.postStart, svg text.preStop")].map((t) => ({ t: t.textContent, b: t.getBBox() }));
		     return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.b.x < b.b.x + b.b.width - 3 && b.b.x < a.b.x + a.b.width - 3 && a.b.y < b.b.y + b.b.height - 3 && b.b.y < a.b.y + a.b.height - 3).map((b) => a.t + " | " + b.t)); })(),
		   drawing: document.querySelector("svg").textContent }`,
	)) as { text: string; outside: string[]; overlaps: string[]; drawing: string };
	for (const words of ["Hello from the preStop handler", "kubectl get pod -o wide", "HostPath (bare host directory volume)", "NOT GUARANTEED", "QoS Class"])
		assert.ok(found.text.includes(words), words);
	for (const words of ["postStart 0.", "preStop 0.", "SIGTERM", "Ready", "delete", "gone"]) assert.ok(found.drawing.includes(words), words);
	assert.deepEqual(found.outside, []);
	assert.deepEqual(found.overlaps, []);
});
test("text can be read in light and in dark: contrast of 4.5 at least", async () => {
	const expression = `(() => {
		const lum = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const ratio = (a, b) => { const [low, high] = [lum(a), lum(b)].sort((x, y) => x - y); return (high + 0.05) / (low + 0.05); };
		const style = (e) => getComputedStyle(e);
		const paper = style(document.body).backgroundColor;
		const behind = (e) => style(e).backgroundColor.endsWith(", 0)") ? behind(e.parentElement) : style(e).backgroundColor;
		// A label of the drawing may stand on a row's band or on a cut, that of a bar on its bar.
		const drawn = [paper, ...["band", "cut"].map((name) => style(document.querySelector("svg ." + name)).fill)];
		const text = [...document.querySelectorAll("main *")].filter((e) => e.checkVisibility() && e.tagName !== "title" && e.tagName !== "desc" && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
		const looked = text.flatMap((e) => {
			const what = e.tagName + " " + (e.className.baseVal ?? e.className);
			if (!e.ownerSVGElement) return [[what, ratio(style(e).color, behind(e))]];
			return (e.matches(".bar") ? [style(e.previousElementSibling).fill] : drawn).map((c) => [what, ratio(style(e).fill, c)]);
		});
		return { paper: lum(paper), looked: [...new Set(looked.map(([what]) => what))], low: [...new Set(looked.filter(([, r]) => r < 4.5).map(([what, r]) => what + " " + r.toFixed(1)))] }; })()`;
	const looked = new Set<string>();
	for (const name of ["demo", "gallery"])
		for (const [isDark, ...args] of [[false], [true, "--blink-settings=preferredColorScheme=0"]] as [boolean, ...string[]][]) {
			const found = (await askPage(name, expression, ...args)) as { paper: number; looked: string[]; low: string[] };
			assert.ok(isDark ? found.paper < 0.1 : found.paper > 0.9, `paper ${found.paper}`);
			assert.deepEqual(found.low, [], `${name}, ${isDark ? "dark" : "light"}`);
			for (const what of found.looked) looked.add(what);
		}
	for (const what of ["PRE ", "B ", "H3 ", "TD ", "P soft", "SPAN word", "text bar", "text preStop", "text command"])
		assert.ok(looked.has(what), `${what} is not among ${[...looked].join(", ")}`);
});
test("verdicts stand beside the drawing on a wide screen, below it on a narrow one, and nothing but tables and drawings is wider than the screen", async () => {
	const expression = `(() => { const [d, v] = [".drawing", ".verdicts-part"].map((s) => document.querySelector(s).getBoundingClientRect());
		return { isBeside: v.left >= d.right && v.top < d.bottom, isBelow: v.top >= d.bottom, wide: document.documentElement.scrollWidth - innerWidth,
			label: 12 * document.querySelector("svg.life").getBoundingClientRect().width / 1120 }; })()`;
	const at = async (width: number) =>
		(await askPage("destroyed", expression, `--window-size=${width},1000`)) as { isBeside: boolean; isBelow: boolean; wide: number; label: number };
	const [wide, middle, narrow] = [await at(1680), await at(1300), await at(600)];
	assert.ok(wide.isBeside && middle.isBelow && narrow.isBelow, JSON.stringify([wide, middle, narrow]));
	for (const { wide: more, label } of [wide, middle, narrow]) assert.ok(more <= 0 && label >= 10.5, `${more} px wider than the screen, labels of ${label} px`);
});
test("what was asked for is read without scrolling sideways, and what kubectl describes is as high as what stands beside it", async () => {
	const expression = `(() => { const [asked, long] = [".yaml", ".long"].map((s) => document.querySelector(s));
		const foot = (e) => e.getBoundingClientRect().bottom;
		return { hidden: asked.scrollWidth - asked.clientWidth, blank: Math.round(foot(long.parentElement.parentElement) - foot(long)) }; })()`;
	for (const width of [1680, 1300, 600])
		assert.deepEqual(await askPage("demo", expression, `--window-size=${width},1000`), { hidden: 0, blank: 0 }, `${width} px`);
});
test("the page prints, and a drawing opens by itself", async () => {
	const pdf = join(folder, "page.pdf");
	await chromium(`--print-to-pdf=${pdf}`, "--no-pdf-header-footer", page("destroyed"));
	assert.ok(readFileSync(pdf).subarray(0, 5).toString() === "%PDF-" && statSync(pdf).size > 20_000);
	const [pod] = storyOf(fixture("destroyed")).pods;
	assert.ok(pod);
	const svg = join(folder, "life.svg");
	writeFileSync(svg, svgOf(pod.history));
	const text = await chromium("--dump-dom", `file://${svg}`);
	assert.match(text, /<title>The life of lifecycle-demo-pod on k8s-node0\d<\/title>/);
	assert.doesNotMatch(text, /parsererror/);
});
test("a page of many Pods has a way to each of them", async () => {
	const found = (await askPage(
		"gallery",
		`{ dead: [...document.querySelectorAll("a")].map((a) => a.getAttribute("href")).filter((href) => href.startsWith("#") && !document.getElementById(href.slice(1))), pods: document.querySelectorAll("section[id$=life]").length }`,
	)) as { dead: string[]; pods: number };
	assert.deepEqual(found.dead, []);
	assert.equal(found.pods, storyOf(fixture("gallery")).pods.length);
});
test("what a Pod, a host or a file's name could make a browser run stays text, on the page and in a drawing", async () => {
	const run = "window.ran=(window.ran||0)+1";
	const evil = `"><img src=x onerror='${run}'><svg onload="${run}"></title></style><script>${run}</script><a href="javascript:${run}">`;
	const escaped = JSON.stringify(evil).slice(1, -1);
	const text = fixture("destroyed").replaceAll("Hello from", `${escaped}Hello from`).replaceAll('"message":"', `"message":"${escaped}`);
	assert.notEqual(text, fixture("destroyed"));
	const story = storyOf(text, { name: evil, problems: [evil] });
	const file = join(folder, "hostile.html");
	const ask = `<script>addEventListener("load",()=>setTimeout(()=>{const o=document.createElement("pre");o.id="answer";o.textContent=JSON.stringify({ran:window.ran??0,shown:document.body.textContent.split("onerror=").length-1,made:document.querySelectorAll("img,a[href^=javascript],[onload],[onerror]").length});document.body.append(o)},200))</script>`;
	writeFileSync(file, pageOf(story, { title: evil, made: evil }).replace(/<\/body>(?![\s\S]*<\/body>)/, `${ask}</body>`));
	const dom = await chromium("--virtual-time-budget=2000", "--dump-dom", `file://${file}`);
	const answer = JSON.parse(dom.match(/<pre id="answer">(.*?)<\/pre>/s)?.[1] ?? "null");
	assert.deepEqual([answer?.ran, answer?.made], [0, 0], JSON.stringify(answer));
	assert.ok(answer.shown >= 3, `${answer.shown} times as text`);
	const svg = join(folder, "hostile.svg");
	writeFileSync(svg, svgOf(story.pods[0]?.history as (typeof story.pods)[number]["history"]));
	const drawn = await chromium("--dump-dom", `file://${svg}`);
	assert.doesNotMatch(drawn, /<parsererror|<(img|script)\b|<[^<>]*\son\w+=/);
});
