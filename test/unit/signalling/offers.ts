import { readFileSync } from "node:fs";

/** A recorded SDP offer, as it was on the wire. */
export function offerFixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/offers/${name}.offer.sdp`, import.meta.url), "utf8");
}
