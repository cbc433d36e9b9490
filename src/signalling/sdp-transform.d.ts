/** The part of `sdp-transform` 3 that is used here; the package brings no types of its own. */
declare module "sdp-transform" {
  /** A value that looks like a decimal number is turned into one; `String()` gives back the text unchanged. */
  export type Text = string | number;

  export interface SharedAttributes {
    iceUfrag?: Text;
    icePwd?: Text;
    fingerprint?: { type: Text; hash: Text };
    setup?: Text;
    icelite?: Text;
    groups?: { type: Text; mids: Text }[];
    /** Lines that no rule of the package matched, without their `a=`. */
    invalid?: { value: Text }[];
  }

  export interface MediaDescription extends SharedAttributes {
    /** These four are missing where the `m=` line is malformed. */
    type?: Text;
    port?: Text;
    protocol?: Text;
    payloads?: Text;
    mid?: Text;
    bundleOnly?: Text;
    sctpPort?: Text;
    maxMessageSize?: Text;
    sctpmap?: { sctpmapNumber: Text; app: Text; maxMessageSize?: Text };
  }

  export interface SessionDescription extends SharedAttributes {
    media: MediaDescription[];
  }

  export function parse(sdp: string): SessionDescription;
}
