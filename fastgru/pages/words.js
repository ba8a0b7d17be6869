// A page in several languages: whoever stands under data-word or data-label is said in the one that is chosen.

const spoken = { language: "en" };

/** The words of a key, in WORDS of the chosen language, with values in their places. */
function word(key, values = {}) {
  return WORDS[spoken.language][key].replace(/\{(\w+)\}/g, (_, name) => said(values[name]));
}

// a value may be words itself, or a list of such
function said(value) {
  if (Array.isArray(value)) return value.map(said).join(word("comma"));
  return value?.word ? word(value.word, value.values) : value;
}

function translate(language) {
  spoken.language = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word, JSON.parse(element.dataset.values ?? "{}"));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", word(element.dataset.label, JSON.parse(element.dataset.labelValues ?? "{}")));
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

/** Wire the buttons of the languages; `speak` is called with the one that is chosen, which the address keeps. */
function wireLanguages(speak) {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      history.replaceState(null, "", `#${button.dataset.language}`);
      speak(button.dataset.language);
    });
  }
}
