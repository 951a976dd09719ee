// SPDX-License-Identifier: Apache-2.0
// Opens a file in speedscope, as a browser would, and prints what it shows as JSON: title, the names
// of its profiles, and the rows of its table of functions ("Sandwich"): [total, self, name].
//
// speedscope is a page; jsdom is the browser without a screen. Where speedscope draws with WebGL it
// gets an object that takes every call and draws nothing.
import fs from "node:fs";
import path from "node:path";
import { JSDOM, VirtualConsole } from "jsdom";

const DEADLINE_MS = 20000;
const file = process.argv[2];
const folder = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
	"node_modules/speedscope/dist/release");
const script = fs.readdirSync(folder).find((name) => /^speedscope-.*\.js$/.test(name));

function fail(...words) {
	console.error(...words.map((word) => String(word?.stack ?? word).slice(0, 2000)));
	process.exit(1);
}

const quiet = new VirtualConsole();
quiet.on("error", fail).on("jsdomError", fail);
const { window } = new JSDOM("<!doctype html><body></body>", {
	url: "http://localhost/#localProfilePath=none&view=sandwich",
	runScripts: "outside-only",
	pretendToBeVisual: true,
	virtualConsole: quiet,
});

const answers = {
	getExtension: () => null,
	getSupportedExtensions: () => [],
	getContextAttributes: () => ({}),
	getParameter: () => [0, 0, 0, 0],
	isContextLost: () => false,
	getShaderInfoLog: () => "",
	getProgramInfoLog: () => "",
	getShaderParameter: () => true,
	getProgramParameter: (_, name) => (name.startsWith("ACTIVE_") ? 0 : true),
	measureText: (text) => ({ width: text.length * 6 }),
};
window.HTMLCanvasElement.prototype.getContext = function () {
	return new Proxy({ canvas: this }, {
		get: (known, name) => known[name] ?? answers[name] ??
			(/^[A-Z_0-9]+$/.test(String(name)) ? name : () => ({})),
		set: () => true,
	});
};
// Only the rows that would be on the screen are in the page: a screen for a thousand of them.
window.Element.prototype.getBoundingClientRect = () => (
	{ x: 0, y: 0, left: 0, top: 0, right: 2000, bottom: 20000, width: 2000, height: 20000 });
window.Element.prototype.scrollTo = () => {};
Object.assign(window, { TextDecoder, TextEncoder });
window.matchMedia = () => ({ matches: false, addEventListener() {}, removeEventListener() {} });
window.alert = fail;
process.on("uncaughtException", (error) => fail(error.stack.slice(-2000)));

function rows() {
	return [...window.document.querySelectorAll("tr")]
		.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent))
		.filter((cells) => cells.length === 3);
}

function show() {
	if (!window.document.title.endsWith(" - speedscope") || !rows().length)
		return setTimeout(show, 20);
	console.log(JSON.stringify({ title: window.document.title, rows: rows(),
		text: window.document.body.textContent }));
	process.exit(0);
}

window.eval(fs.readFileSync(path.join(folder, script), "utf8"));
setTimeout(() => fail(`nothing was shown; title: ${window.document.title}`), DEADLINE_MS);
(function open() {
	if (!window.speedscope?.loadFileFromBase64)
		return setTimeout(open, 20);
	window.speedscope.loadFileFromBase64(path.basename(file), fs.readFileSync(file).toString("base64"));
	show();
})();
