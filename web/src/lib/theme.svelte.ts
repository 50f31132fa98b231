// Light or dark: as the system says, until a person chooses otherwise.

export type Theme = "light" | "dark";
const kName = "heed.theme";

class ThemeChoice {
  #system_prefers_dark = $state(false);
  #chosen = $state<Theme | undefined>(undefined);

  constructor() {
    const stored = localStorage.getItem(kName);
    if (stored === "light" || stored === "dark") this.#chosen = stored;
    const query = window.matchMedia("(prefers-color-scheme: dark)");
    this.#system_prefers_dark = query.matches;
    query.addEventListener("change", () => (this.#system_prefers_dark = query.matches));
    this.#apply();
  }

  get shown(): Theme {
    return this.#chosen ?? (this.#system_prefers_dark ? "dark" : "light");
  }

  /// The other one. Choosing what the system says anyway means following it again.
  toggle(): void {
    const wanted: Theme = this.shown === "dark" ? "light" : "dark";
    const is_system = (wanted === "dark") === this.#system_prefers_dark;
    this.#chosen = is_system ? undefined : wanted;
    try {
      if (this.#chosen) localStorage.setItem(kName, this.#chosen);
      else localStorage.removeItem(kName);
    } catch {
      // The choice then holds until the page is closed.
    }
    this.#apply();
  }

  #apply(): void {
    if (this.#chosen) document.documentElement.dataset.theme = this.#chosen;
    else delete document.documentElement.dataset.theme;
  }
}

export const theme = new ThemeChoice();
