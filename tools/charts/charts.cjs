// The traces of the bundle: scatter, which the core always has, and these. Each must be one that reports draw.
// parcoords comes in its strict form, whose WebGL programs are compiled already, so that it makes no code from text.
const Plotly = require("plotly.js/lib/core");
Plotly.register([
  require("plotly.js/lib/bar"),
  require("plotly.js/lib/heatmap"),
  require("plotly.js/src/traces/parcoords/strict"),
]);
module.exports = Plotly;
