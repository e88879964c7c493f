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
// Sorts and filters the table of configurations. The rows are data in the page, never markup.
(() => {
  const source = document.getElementById("rows");
  if (!source) return;
  const { columns, rows } = JSON.parse(source.textContent);
  const PAGE = 100;
  const COMPARISON = /^([A-Za-z_][\w.]*)(<=|>=|!=|=|<|>)(.*)$/;
  const GROUPED = /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/;
  const TESTS = {
    "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b,
    ">=": (a, b) => a >= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b,
  };
  const table = document.getElementById("browser-table");
  const [head, body] = [table.tHead, table.tBodies[0]];
  const filter = document.getElementById("filter");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const texts = rows.map((row) => row.map(text).join(" ").toLowerCase());
  let order = { column: -1, sign: 1 };
  let shown = PAGE;

  function text(value) {
    if (value === null) return "";
    if (typeof value !== "number") return String(value);
    const size = Math.abs(value);
    if (value !== 0 && (size >= 1e7 || size < 1e-4)) {
      const [digits, power] = Number(value.toPrecision(4)).toExponential().split("e");
      return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
    }
    return Number(value.toPrecision(5)).toLocaleString("en-US", { maximumFractionDigits: 8 });
  }

  // A test of one row for one word of the filter, or a sentence on what is wrong with the word.
  function test(word) {
    const parts = COMPARISON.exec(word);
    if (!parts) return (row, i) => texts[i].includes(word.toLowerCase());
    const [, name, sign, given] = parts;
    const column = columns.indexOf(name);
    if (column < 0) return `no column ${name}; columns: ${columns.join(", ")}`;
    if (given === "") return `${word} must end in a value`;
    const number = Number(GROUPED.test(given) ? given.replaceAll(",", "") : given);
    if (Number.isNaN(number) && "<>".includes(sign[0])) return `${word} must compare with a number`;
    return (row) => {
      const value = row[column];
      if (value === null) return sign === "!=";
      if (typeof value === "number") return TESTS[sign](value, number);
      return TESTS[sign](String(value).toLowerCase(), given.toLowerCase());
    };
  }

  // The rows that hold to every word that can be understood, and what is wrong with the first other.
  function matching() {
    const tests = filter.value.trim().split(/\s+/).filter(Boolean).map(test);
    const holding = tests.filter((one) => typeof one === "function");
    const found = rows.map((_, i) => i).filter((i) => holding.every((holds) => holds(rows[i], i)));
    return { found, wrong: tests.find((one) => typeof one === "string") };
  }

  function compare(i, j) {
    const [a, b] = [rows[i][order.column], rows[j][order.column]];
    if (a === b) return i - j;
    if (a === null) return 1; // What is missing stands last, whichever way round.
    if (b === null) return -1;
    if (typeof a === "number" && typeof b === "number") return order.sign * (a - b);
    return order.sign * String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function draw() {
    const { found, wrong } = matching();
    filter.classList.toggle("bad", wrong !== undefined);
    filter.setAttribute("aria-invalid", String(wrong !== undefined));
    if (order.column >= 0) found.sort(compare);
    body.replaceChildren(...found.slice(0, shown).map((i) => {
      const line = document.createElement("tr");
      rows[i].forEach((value) => {
        const cell = line.insertCell();
        cell.textContent = text(value);
        if (typeof value === "number") cell.className = "number";
      });
      return line;
    }));
    const [some, all] = [found.length, rows.length].map((n) => n.toLocaleString("en-US"));
    count.textContent = wrong ?? `${some} of ${all}`;
    more.hidden = found.length <= shown;
  }

  const names = head.insertRow();
  columns.forEach((name, column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    if (rows.some((row) => typeof row[column] === "number")) cell.className = "number";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      order = { column, sign: order.column === column ? -order.sign : 1 };
      [...names.cells].forEach((other) => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      draw();
    });
    cell.append(button);
    names.append(cell);
  });
  filter.addEventListener("input", () => { shown = PAGE; draw(); });
  more.addEventListener("click", () => { shown += 10 * PAGE; draw(); });
  draw();
})();
