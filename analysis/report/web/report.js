"use strict";
// A link into a fold opens it, and so does printing.
(() => {
  const open = () => {
    const goal = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = goal?.closest("details");
    if (fold && !fold.open) {
      fold.open = true;
      goal.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  });
  open();
})();
// Sorts and filters the table of configurations, by what its cells show.
(() => {
  const table = document.querySelector("#browser table");
  if (!table) return;
  const MISSING = "–";
  const filter = document.getElementById("filter");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
  const number = (text) => Number(text.replaceAll(",", ""));

  function compare(a, b, sign) {
    // What is missing stands last, whichever way round.
    if (a === MISSING || b === MISSING) return (a === MISSING) - (b === MISSING);
    return sign * (number(a) - number(b) || a.localeCompare(b, "en", { numeric: true }));
  }

  function narrow() {
    const words = filter.value.toLowerCase().split(/\s+/);
    rows.forEach((row, i) => { row.hidden = !words.every((word) => texts[i].includes(word)); });
    const shown = rows.filter((row) => !row.hidden).length;
    document.getElementById("count").textContent = `${shown} of ${rows.length}`;
  }

  [...table.tHead.rows[0].cells].forEach((head, column, heads) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const sign = head.ariaSort === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = sign > 0 ? "ascending" : "descending";
      const shown = (row) => row.cells[column].textContent;
      body.append(...[...body.rows].sort((a, b) => compare(shown(a), shown(b), sign)));
    });
    head.replaceChildren(button);
  });
  filter.addEventListener("input", narrow);
  narrow();
})();
