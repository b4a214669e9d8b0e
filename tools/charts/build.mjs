// Writes the bundle of charts.cjs and the licences of all that is in it into nnrun/report/assets, and uPlot with its licence
// into nnrun/watching/assets.

import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, "../../nnrun/report/assets");
const read = (...parts) => readFileSync(join(here, ...parts), "utf8");

// The folder in node_modules that a file of the bundle comes from; null for charts.cjs.
const folderOf = (file) => file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1] ?? null;

function licence(folder) {
  const { name, version, license, author } = JSON.parse(read(folder, "package.json"));
  const files = readdirSync(join(here, folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files.map((file) => read(folder, file).trim().replaceAll("\r\n", "\n"));
  const stated = `Its package has no file of a licence. ${license}, by ${author?.name ?? author}, says its package.json.`;
  return `## ${name} ${version} (${license})\n\n${texts.join("\n\n") || stated}\n`;
}

const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["charts.cjs"],
  outfile: "plotly.min.js",
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  format: "iife",
  globalName: "Plotly",
  target: "es2016",
  legalComments: "none", // all licences stand in a file of their own
  loader: { ".css": "empty" }, // of maps
  define: { global: "window", "define.amd": "false" },
});

const script = Object.values(metafile.outputs).find((output) => output.entryPoint);
const bundled = Object.keys(script.inputs).filter((file) => script.inputs[file].bytesInOutput > 0 && !file.endsWith(".css"));
const packages = [...new Set(bundled.map(folderOf))].filter(Boolean).sort();
const { version } = JSON.parse(read("node_modules/plotly.js/package.json"));
const registered = [...read("charts.cjs").matchAll(/require\("plotly\.js\/(?:lib|src\/traces)\/(\w+)/g)].map((found) => found[1]);
const traces = registered.map((name) => (name === "core" ? "scatter" : name)).join(", ");
const banner = `/* plotly.js ${version} (MIT); traces: ${traces}; licences: plotly.licenses.md, in pages the comment above */`;

// A tenth of the bundle would be what attributes mean, in English; plotly.js leaves that out of its own bundles too.
const description = /,description:(?:"(?:[^"\\]|\\.)*"|\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\]\.join\(" "\))(?=[,}])/g;
const code = outputFiles.find((file) => file.path.endsWith(".js")).text.replaceAll(description, "");
if (/<\/script|<!--/i.test(code)) throw new Error("the bundle would end the element that it stands in");
writeFileSync(join(assets, "plotly.min.js"), `${banner}\n${code}`);
const heading = "# Licences\n\n`plotly.min.js` holds what these packages have, each under its licence.\n";
const licences = [heading, ...packages.map(licence)].join("\n");
if (/--!?>/.test(licences)) throw new Error("the licences would end the comment of a page that they stand in");
writeFileSync(join(assets, "plotly.licenses.md"), licences);

const watching = join(here, "../../nnrun/watching/assets");
for (const file of ["uPlot.iife.min.js", "uPlot.min.css"]) copyFileSync(join(here, "node_modules/uplot/dist", file), join(watching, file));
const told = "# Licence\n\n`uPlot.iife.min.js` and `uPlot.min.css` are those of its package, byte for byte.\n";
writeFileSync(join(watching, "uplot.licenses.md"), [told, licence("node_modules/uplot")].join("\n"));
