const root = document.documentElement;
if (!navigator.language.startsWith("zh")) root.dataset.language = "en";
document.getElementById("language").onclick = () => {
  root.dataset.language = root.dataset.language === "zh" ? "en" : "zh";
  root.lang = root.dataset.language;
};
