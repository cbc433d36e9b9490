import { expect, it } from "vitest";
import { Epochs, HANDSHAKE_EPOCH } from "../../../src/dtls/epochs.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";

const SECRET = new Uint8Array(32).fill(7);

it("never seals twice with one number under a key that was taken back and came again", () => {
  const epochs = new Epochs(new Datapath({ keySlots: 4 }));
  const goBack = epochs.checkpoint();
  expect(epochs.installWrite13(HANDSHAKE_EPOCH, SECRET)).toBe(true);
  expect(epochs.current.sequence).toBe(0);
  epochs.current.sequence = 3; // Three records were sealed.
  goBack();
  expect(epochs.installWrite13(HANDSHAKE_EPOCH, SECRET)).toBe(true);
  expect(epochs.current.sequence).toBe(3);
});

it("gives the keys back that came after a checkpoint", () => {
  const datapath = new Datapath({ keySlots: 4 });
  const epochs = new Epochs(datapath);
  const goBack = epochs.checkpoint();
  epochs.installWrite13(HANDSHAKE_EPOCH, SECRET);
  epochs.installRead13(HANDSHAKE_EPOCH, SECRET);
  expect(datapath.freeKeySlots).toBe(2);
  goBack();
  expect(datapath.freeKeySlots).toBe(4);
  expect(epochs.current.epoch).toBe(0);
});
