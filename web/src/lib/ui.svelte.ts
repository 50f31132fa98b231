// What the page shows at the moment: which view, which drawers, which dialog; and where the focus goes.
import { tick } from "svelte";

export type View = "chat" | "playground";
export type Dialog = "keys" | "data";

class Ui {
  view = $state<View>("chat");
  dialog = $state<Dialog | undefined>(undefined);
  is_side_open = $state(true);
  is_panel_open = $state(false);
  is_narrow = $state(false);
  is_medium = $state(false);
  draft = $state("");
  edited = $state(""); // the turn that is being edited
  notice = $state(""); // a word at the edge
  announced = $state(""); // a word for screen readers

  constructor() {
    const narrow = window.matchMedia("(max-width: 760px)");
    const medium = window.matchMedia("(max-width: 1120px)");
    this.is_narrow = narrow.matches;
    this.is_medium = medium.matches;
    this.is_side_open = !narrow.matches;
    narrow.addEventListener("change", () => {
      this.is_narrow = narrow.matches;
      this.is_side_open = !narrow.matches;
    });
    medium.addEventListener("change", () => (this.is_medium = medium.matches));
  }

  // A drawer lies over the conversation, which then must be out of reach.
  get is_panel_drawer(): boolean {
    return this.is_medium && this.is_panel_open;
  }

  get is_covered(): boolean {
    return (this.is_narrow && this.is_side_open) || this.is_panel_drawer;
  }

  close_drawers(): void {
    if (this.is_narrow) this.is_side_open = false;
    if (this.is_medium) this.is_panel_open = false;
  }

  toggle_side(): void {
    this.is_side_open = !this.is_side_open;
    if (this.is_narrow && this.is_side_open) this.focus("#side button");
  }

  toggle_panel(): void {
    this.is_panel_open = !this.is_panel_open;
    this.focus(this.is_panel_open ? "#panel select" : '[aria-controls="panel"]');
  }

  show(view: View): void {
    this.view = view;
    this.close_drawers();
  }

  /// After the page has changed.
  focus(selector: string): void {
    void tick().then(() => document.querySelector<HTMLElement>(selector)?.focus({ preventScroll: true }));
  }

  announce(text: string): void {
    this.announced = text;
  }
}

export const ui = new Ui();
