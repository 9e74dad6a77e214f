"use strict";
const sections = Array.from(document.querySelectorAll("section"));
const names = Array.from(new Set(Array.from(document.querySelectorAll("input"), (input) => input.dataset.name)));
const chosen = (section, name) => {
  const found = Array.from(section.querySelectorAll("input:checked")).find((input) => input.dataset.name === name);
  return found ? found.value : "";
};
const cell = (text) => `"${text.replaceAll('"', '""')}"`;
const count = () => {
  const whole = sections.filter((section) => names.every((name) => chosen(section, name))).length;
  document.getElementById("done").textContent = `${whole} of ${sections.length} rated`;
};
const csv = () => {
  const rows = sections.map((section) => [
    section.dataset.item, cell(section.dataset.image), cell(section.dataset.question), ...names.map((name) => chosen(section, name)),
  ].join(","));
  return [["item", "image", "question", ...names].join(","), ...rows].join("\r\n") + "\r\n";
};
document.addEventListener("change", count);
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "my_ratings.csv";
  link.click();
});
count();
