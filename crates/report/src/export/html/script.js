"use strict";
// Tables sort by a click on a title. Long ones have filters above them: a text, and a choice for each column of names.

const LONG = 8;
const MOST_CHOICES = 30;

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
}

// Numbers come before words, and words are in the order of a dictionary in which 10 follows 9.
function compare(a, b) {
  const numbers = [a, b].map((value) => typeof value === "number");
  if (numbers[0] && numbers[1]) return a - b;
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return a.localeCompare(b, "en", { numeric: true });
}

function makeSortable(table) {
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      // The first click shows the largest number first, and the first name.
      const first = title.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = title.getAttribute("aria-sort") === first ? other : first;
      titles.forEach((each) => each.removeAttribute("aria-sort"));
      title.setAttribute("aria-sort", order);
      const rows = [...table.tBodies[0].rows];
      const sign = order === "ascending" ? 1 : -1;
      // Rows without the number stay at the end in both orders.
      const lacks = (row) => title.classList.contains("number") && typeof valueOf(row, column) !== "number";
      rows.sort((a, b) => lacks(a) - lacks(b) || sign * compare(valueOf(a, column), valueOf(b, column)));
      table.tBodies[0].append(...rows);
    });
  });
}

function labelled(text, control) {
  const label = document.createElement("label");
  label.append(text, control);
  return label;
}

function makeFilterable(table) {
  const rows = [...table.tBodies[0].rows];
  const form = document.createElement("div");
  form.className = "filters";
  const words = document.createElement("input");
  words.type = "search";
  form.append(labelled("Filter rows", words));
  const choices = [];
  [...table.tHead.rows[0].cells].forEach((title, column) => {
    const names = [...new Set(rows.map((row) => row.cells[column].textContent.trim()))].sort(compare);
    const most = title.classList.contains("key") ? MOST_CHOICES : Math.min(MOST_CHOICES, rows.length / 3);
    if (title.classList.contains("number") || names.length < 2 || names.length > most) return;
    const select = document.createElement("select");
    select.append(new Option("all", ""), ...names.map((name) => new Option(name || "–", name)));
    select.options[0].defaultSelected = true;
    choices.push({ column, select });
    form.append(labelled(title.textContent.trim(), select));
  });
  const shown = document.createElement("output");
  form.append(shown);
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = ({ column, select }) => !select.selectedIndex || row.cells[column].textContent.trim() === select.value;
      row.hidden = !(wanted.every((word) => text.includes(word)) && choices.every(fits));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${rows.length} rows`;
  };
  form.addEventListener("input", apply);
  apply();
  table.parentElement.before(form);
}

// Where a name stands only in the first of several rows, the others get it, so that they can be sorted and filtered.
function repeatNames(table) {
  const rows = [...table.tBodies[0].rows];
  for (let column = 0; rows.some((row) => !row.cells[column]?.textContent) && rows[0].cells[column]?.textContent; column++) {
    rows.forEach((row, index) => {
      if (row.cells[column].textContent) return;
      row.cells[column].append(...[...rows[index - 1].cells[column].childNodes].map((node) => node.cloneNode(true)));
      row.cells[column].classList.add("repeated");
    });
  }
}

for (const table of document.querySelectorAll(".table > table")) {
  if (table.hasAttribute("data-shaded") || table.tBodies[0].rows.length < 2) continue;
  repeatNames(table);
  if (table.tBodies[0].rows.length >= LONG) makeFilterable(table);
  makeSortable(table);
}
