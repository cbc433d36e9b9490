/** The controlling side of ICE on one path: checks that nominate at once, and answers to the peer's own checks. */
import { randomBytes } from "node:crypto";
import { generateCredentials } from "../../build/ice/credentials.js";
import { answerCheck } from "../../build/ice/lite.js";
import { BINDING_REQUEST, BINDING_SUCCESS, parseStun } from "../../build/ice/stun.js";
import { writeBindingRequest } from "../../build/ice/stun-write.js";
import { Datapath } from "../../build/wasm/datapath.js";

const PEER_REFLEXIVE_PRIORITY = 0x6e0000ff;
const encoder = new TextEncoder();
const datapath = new Datapath({ keySlots: 1 });

export class ControllingIce {
  #tieBreaker = new Uint8Array(randomBytes(8));
  #key;
  #username;
  #session;

  constructor() {
    const { ufrag, pwd } = generateCredentials((length) => new Uint8Array(randomBytes(length)));
    this.ufrag = ufrag;
    this.pwd = pwd;
  }

  /** @param {{ ufrag: string, pwd: string }} remote the server's credentials */
  setRemote({ ufrag, pwd }) {
    this.#key = encoder.encode(pwd);
    this.#username = `${ufrag}:${this.ufrag}`;
    this.#session = { localUfrag: this.ufrag, localPwd: this.pwd, remoteUfrag: ufrag };
  }

  check() {
    return writeBindingRequest({
      transactionId: new Uint8Array(randomBytes(12)),
      username: this.#username,
      key: this.#key,
      priority: PEER_REFLEXIVE_PRIORITY,
      tieBreaker: this.#tieBreaker,
      role: "controlling",
      useCandidate: true,
    });
  }

  /** @returns {{ succeeded?: boolean, reply?: Uint8Array }} whether it answers a check of ours, or what answers one of theirs */
  handle(datagram, source) {
    const message = parseStun(datagram);
    if (typeof message === "string") return {};
    if (message.type === BINDING_SUCCESS) return { succeeded: true };
    if (message.type !== BINDING_REQUEST || this.#session === undefined) return {};
    const outcome = answerCheck(this.#session, message, source, datapath);
    return outcome.kind === "drop" ? {} : { reply: outcome.response };
  }
}
