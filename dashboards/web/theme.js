// Before the first paint, so that a dark page never flashes white. Light and dark follow the machine unless somebody chose.
{
  const chosen = localStorage.getItem("tipstaff-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
