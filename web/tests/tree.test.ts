import { describe, expect, it } from "vitest";
import { Tree } from "../src/lib/tree";

const node = (id: string, parent = "", group?: string) => ({ id, parent, ...(group === undefined ? {} : { group }) });
const ids = (nodes: { id: string }[]): string => nodes.map(({ id }) => id).join(" ");

// q1 - a1 - q2 - a2
//    |    ` q2' - a2'
//    ` a1'
const turns = [node("q1"), node("a1", "q1"), node("q2", "a1"), node("a2", "q2"), node("a1'", "q1"), node("q2'", "a1"), node("a2'", "q2'")];
const tree = new Tree(turns);
const of = (id: string) => tree.get(id)!;

describe("a tree of turns", () => {
  it("shows one path", () => {
    expect(ids(tree.path("a2"))).toBe("q1 a1 q2 a2");
    expect(ids(tree.path("a1'"))).toBe("q1 a1'");
    expect(tree.path("")).toEqual([]);
    expect(tree.path("nowhere")).toEqual([]);
  });

  it("knows the branches beside a turn, in the order they were made", () => {
    expect(ids(tree.branches(of("a1")))).toBe("a1 a1'");
    expect(ids(tree.branches(of("q2'")))).toBe("q2 q2'");
    expect(ids(tree.branches(of("q1")))).toBe("q1");
  });

  it("finds where a branch ends", () => {
    expect(tree.leaf(of("a1")).id).toBe("a2'");
    expect(tree.leaf(of("a1'")).id).toBe("a1'");
  });

  it("takes answers side by side as one branch, shown by the one asked about", () => {
    const wide = new Tree([node("q"), node("x1", "q", "g"), node("x2", "q", "g"), node("y", "q"), node("z1", "q", "h"), node("z2", "q", "h")]);
    expect(ids(wide.branches(wide.get("x1")!))).toBe("x1 y z1");
    expect(ids(wide.branches(wide.get("x2")!))).toBe("x2 y z1");
    expect(ids(wide.columns(wide.get("z2")!))).toBe("z1 z2");
    expect(ids(wide.columns(wide.get("y")!))).toBe("y");
  });

  it("is quick with many turns", () => {
    const long = Array.from({ length: 20_000 }, (_, i) => node(String(i), i === 0 ? "" : String(i - 1)));
    const began = performance.now();
    const made = new Tree(long);
    expect(made.path("19999")).toHaveLength(20_000);
    expect(made.leaf(made.get("0")!).id).toBe("19999");
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
