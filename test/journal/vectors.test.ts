import assert from "node:assert/strict";
import { test } from "node:test";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";
import { VECTORS } from "./vectors.ts";

test("vectors: a directory of format version 1 opens with all its contents", async () => {
  for (const names of [Object.keys(VECTORS), ["0000000001.segment"]]) {
    const disk = new SimDisk();
    await disk.makeDirectory("/journal");
    for (const name of names) disk.poke(`/journal/${name}`, Buffer.from(VECTORS[name]!, "hex"));
    const journal = await FileJournal.openWith(simPorts(disk, 8), "/journal");
    const entries: unknown[] = [];
    for await (const { seq, value, key, headers, expiresAtMs } of journal.read()) {
      entries.push([seq, String(value), key, headers, expiresAtMs]);
    }
    assert.deepEqual(entries, [
      [1, "one", undefined, undefined, undefined],
      [2, "two", "k", { h: "v" }, 1_700_000_000_000],
      [3, "three", undefined, undefined, undefined],
    ]);
    assert.equal(String(journal.get("cursor")), "c3");
    assert.deepEqual([...journal.holds()], [["slow", 2]]);
    assert.equal((await journal.verify()).ok, true);
    await journal.close();
  }
});

test("vectors: the same calls produce the same bytes", async () => {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk, 7), "/journal");
  await journal.append(Buffer.from("one"));
  const meta = { key: "k", headers: { h: "v" }, expiresAtMs: 1_700_000_000_000 };
  await journal.append({ value: Buffer.from("two"), ...meta });
  await journal.append(Buffer.from("three"), { values: { cursor: Buffer.from("c3") } });
  await journal.hold("slow", 2);
  await journal.close();
  const made = Object.fromEntries(
    disk.paths
      .filter((path) => !path.endsWith("/reserve"))
      .map((path) => [path.slice("/journal/".length), disk.peek(path).toString("hex")]),
  );
  assert.deepEqual(made, VECTORS);
});
