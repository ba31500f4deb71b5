// <theme-switch>: the form inside sets the theme's cookie on the server; here without a reload.
const YEAR_SECONDS = 365 * 24 * 3600;

class ThemeSwitch extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose(event.submitter.value);
    });
  }

  choose(theme) {
    const age = theme ? YEAR_SECONDS : 0;
    document.cookie = `theme=${theme}; path=/; max-age=${age}; samesite=lax`;
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    for (const option of this.querySelectorAll("[name=theme]")) {
      option.setAttribute("aria-pressed", String(option.value === theme));
    }
  }
}

customElements.define("theme-switch", ThemeSwitch);
