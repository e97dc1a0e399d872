// A field above a table keeps the rows that contain what is typed.
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-c-search]")) return;
  const wanted = event.target.value.trim().toLowerCase();
  const rows = event.target.nextElementSibling.querySelectorAll("tbody tr");
  for (const row of rows) row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
});
