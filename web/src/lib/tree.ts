// The turns of a conversation as a tree: which path is shown, which branches lie beside it.
import type { Turn } from "./conversations";

type Node = Pick<Turn, "id" | "parent" | "group">;

export class Tree<T extends Node = Turn> {
  #by_id = new Map<string, T>();
  #children = new Map<string, T[]>();

  /// `turns` in the order they were made. Reads only ids, parents and groups, so a growing text rebuilds nothing.
  constructor(turns: readonly T[]) {
    for (const turn of turns) {
      this.#by_id.set(turn.id, turn);
      const beside = this.#children.get(turn.parent);
      if (beside) beside.push(turn);
      else this.#children.set(turn.parent, [turn]);
    }
  }

  get(id: string): T | undefined {
    return this.#by_id.get(id);
  }

  /// From the first turn to `head`.
  path(head: string): T[] {
    const path: T[] = [];
    for (let turn = this.#by_id.get(head); turn; turn = this.#by_id.get(turn.parent)) path.push(turn);
    return path.reverse();
  }

  /// The branches one can choose among, itself included. Answers side by side are one branch: this one, or the first.
  branches(turn: T): T[] {
    const found: T[] = [];
    for (const other of this.#children.get(turn.parent) ?? []) {
      const at = other.group === undefined ? -1 : found.findIndex(({ group }) => group === other.group);
      if (at < 0) found.push(other);
      else if (other === turn) found[at] = turn;
    }
    return found;
  }

  /// The answers that were made together and stand side by side.
  columns(turn: T): T[] {
    if (turn.group === undefined) return [turn];
    return (this.#children.get(turn.parent) ?? []).filter((other) => other.group === turn.group);
  }

  /// Where a branch ends: the latest turn after the latest turn, and so on.
  leaf(turn: T): T {
    let last = turn;
    for (;;) {
      const next = this.#children.get(last.id)?.at(-1);
      if (!next) return last;
      last = next;
    }
  }
}
