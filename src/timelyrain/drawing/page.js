const root = document.documentElement;
if (!root.dataset.asked && !navigator.language.startsWith("zh")) root.lang = root.dataset.language = "en";
document.getElementById("language").onclick = () => {
  root.lang = root.dataset.language = root.dataset.language === "zh" ? "en" : "zh";
};
