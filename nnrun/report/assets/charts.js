"use strict";

// The page's colours, as plotly wants them: one template that all charts share.
function template() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: value("--line"), linecolor: value("--line"), zerolinecolor: value("--line"), ticks: "" };
  const bar = { outlinewidth: 0, thickness: 12, title: { side: "right" } };
  return {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: value("--ink") },
      xaxis: axis,
      yaxis: axis,
      hoverlabel: { bgcolor: value("--card"), bordercolor: value("--quiet"), font: { color: value("--ink") }, align: "left" },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
      margin: { l: 8, r: 12, t: 8, b: 8, pad: 0 },
      hovermode: "closest",
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger on a chart scrolls the page
      coloraxis: { colorbar: bar },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: value("--quiet"), activecolor: value("--ink") },
    },
  };
}

// A chart stays in its page: plotly.js would offer to send it to a server.
const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};
