"use strict";
// Sorts and filters the table of configurations. The rows are data in the page, never markup.
(() => {
  const source = document.getElementById("rows");
  if (!source) return;
  const { columns, rows } = JSON.parse(source.textContent);
  const PAGE = 100;
  const COMPARISON = /^([A-Za-z_][\w.]*)(<=|>=|!=|=|<|>)(.*)$/;
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
    if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4)) return value.toExponential(2);
    return Number(value.toPrecision(5)).toLocaleString("en-US", { maximumFractionDigits: 8 });
  }

  // A test of one row for one word of the filter; null when the word cannot be understood.
  function test(word) {
    const parts = COMPARISON.exec(word);
    if (!parts) return (row, i) => texts[i].includes(word.toLowerCase());
    const column = columns.indexOf(parts[1]);
    if (column < 0 || parts[3] === "") return null;
    const number = Number(parts[3]);
    const wanted = Number.isNaN(number) ? parts[3].toLowerCase() : number;
    return (row) => {
      const value = row[column];
      if (value === null) return parts[2] === "!=";
      const mine = typeof wanted === "number" ? value : String(value).toLowerCase();
      return TESTS[parts[2]](mine, wanted);
    };
  }

  function matching() {
    const words = filter.value.trim().split(/\s+/).filter(Boolean);
    const tests = words.map(test);
    const bad = words[tests.indexOf(null)];
    filter.classList.toggle("bad", bad !== undefined);
    filter.setAttribute("aria-invalid", String(bad !== undefined));
    if (bad !== undefined) {
      count.textContent = `'${bad}' must compare one of: ${columns.join(", ")}`;
      return null;
    }
    return rows.map((_, i) => i).filter((i) => tests.every((holds) => holds(rows[i], i)));
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
    const found = matching();
    if (found === null) return;
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
    count.textContent = `${found.length.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")}`;
    more.hidden = found.length <= shown;
  }

  const names = head.insertRow();
  columns.forEach((name, column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
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
