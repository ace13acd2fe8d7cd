// What a chosen point of the residual plot is, by mouse or by keyboard; needs BokehJS, which has drawn the plot by then.
(function () {
  "use strict";
  const SHOWN = [
    ["configuration", "label"], ["experiment", "experiment"], ["predicted", "predicted"], ["measured", "measured"],
    ["unit", "unit"], ["z", "z"], ["outcome", "outcome"], ["run again", "command"],
  ];
  const walk = document.querySelector(".vg-walk");
  const range = walk.querySelector("input");
  const told = walk.querySelector("dl");

  function tell(source, index) {
    told.replaceChildren(...SHOWN.flatMap(([word, column]) => {
      const term = document.createElement("dt");
      const value = document.createElement("dd");
      const place = column === "command" ? value.appendChild(document.createElement("code")) : value;
      term.textContent = word;
      place.textContent = source.data[column][index];
      return [term, value];
    }));
    range.value = index;
    range.setAttribute("aria-valuetext", `${source.data.label[index]}, z ${source.data.z[index]}`);
  }

  function start(plot) {
    const source = plot.document.get_model_by_name("points");
    const choose = (index) => { source.selected.indices = [index]; };
    source.selected.properties.indices.change.connect(() => {
      if (source.selected.indices.length > 0) tell(source, source.selected.indices[0]);
    });
    range.addEventListener("input", () => choose(Number(range.value)));
    walk.addEventListener("click", (event) => {
      const step = event.target.dataset.walk;
      if (step === "reset") plot.reset.emit();
      else if (step) choose((Number(range.value) + Number(step) + source.length) % source.length);
    });
    walk.hidden = false;
    choose(0);
  }

  function wait() {
    const found = window.Bokeh && window.Bokeh.documents.map((each) => each.get_model_by_name("residuals")).find(Boolean);
    if (found) start(found);
    else window.setTimeout(wait, 100);
  }
  wait();
})();
