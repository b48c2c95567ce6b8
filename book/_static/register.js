// Filters for the register's tables. Without scripts the tables are simply whole.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.claims-filtered")) {
    const rows = [];
    let heading = null;
    for (const row of table.tBodies[0].rows) {
      if (row.classList.contains("claims-chapter")) {
        heading = row;
      } else {
        const verdict = row.querySelector(".verdict");
        rows.push({
          row,
          heading,
          chapter: heading ? heading.textContent.trim() : "",
          origin: row.classList.contains("origin-paper") ? "the paper" : "this book",
          verdict: verdict ? verdict.textContent.trim() : "",
        });
      }
    }

    const form = document.createElement("form");
    form.className = "claims-filters";
    form.addEventListener("submit", (event) => event.preventDefault());
    const selects = {};
    for (const [key, name] of [["chapter", "Chapter"], ["origin", "Made by"], ["verdict", "Verdict"]]) {
      const values = [...new Set(rows.map((one) => one[key]))];
      if (values.length < 2) continue;
      const label = document.createElement("label");
      const select = document.createElement("select");
      select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
      label.append(name, select);
      form.append(label);
      selects[key] = select;
    }
    const said = document.createElement("output");
    form.append(said);

    const apply = () => {
      const shown = new Set();
      let count = 0;
      for (const one of rows) {
        const fits = Object.entries(selects).every(([key, s]) => !s.value || s.value === one[key]);
        one.row.hidden = !fits;
        count += fits;
        if (fits) shown.add(one.heading);
      }
      for (const { heading: head } of rows) if (head) head.hidden = !shown.has(head);
      said.textContent = `${count} of ${rows.length} shown`;
    };
    form.addEventListener("change", apply);
    apply();
    const frame = table.closest(".pst-scrollable-table-container") || table;
    frame.before(form);
  }
});
