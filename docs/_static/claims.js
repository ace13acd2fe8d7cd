// Filters the cards of the claims by topic, verdict and words. The address holds the state; without this script every card is shown.
"use strict";
{
  const form = document.querySelector(".vg-filter");
  const cards = [...document.querySelectorAll(".vg-card")];
  const fields = ["topic", "verdict", "words"];

  const texts = new Map(cards.map((card) => [card, `${card.textContent} ${card.dataset.words}`.toLowerCase()]));

  function matches(card) {
    const { topic, verdict, words } = form.elements;
    if (topic.value && !card.dataset.topics.split(" ").includes(topic.value)) return false;
    if (verdict.value && card.dataset.verdict !== verdict.value) return false;
    return words.value.toLowerCase().split(/\s+/).every((word) => texts.get(card).includes(word));
  }

  function show() {
    let count = 0;
    for (const card of cards) {
      card.hidden = !matches(card);
      count += !card.hidden;
    }
    for (const group of document.querySelectorAll(".vg-group")) group.hidden = !group.querySelector(".vg-card:not([hidden])");
    form.querySelector("[role=status]").textContent = `${count} of ${cards.length} claims`;
  }

  function keep() {
    const state = new URLSearchParams();
    for (const field of fields) if (form.elements[field].value) state.set(field, form.elements[field].value);
    const query = state.toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  }

  function restore() {
    const state = new URLSearchParams(location.search);
    for (const field of fields) form.elements[field].value = state.get(field) ?? "";
    for (const field of ["topic", "verdict"]) if (form.elements[field].selectedIndex < 0) form.elements[field].value = "";
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    keep();
    show();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const field of fields) form.elements[field].value = "";
    keep();
    show();
  });
  document.querySelector("article, main").addEventListener("click", (event) => {
    const link = event.target.closest("[data-topic]");
    if (!link) return;
    event.preventDefault();
    form.elements.topic.value = link.dataset.topic;
    keep();
    show();
    form.elements.topic.focus();
  });
  restore();
  show();
}
