/** HTTP requests that nobody expects, as they go over the wire. */
import { connect } from "node:net";

const LONG = "x".repeat(200_000);
const HEAD = "POST / HTTP/1.1\r\nHost: x\r\n";

/** Text that is sent; what ends with `"reset"` ends with a connection that is torn down. */
export const REQUESTS: Readonly<Record<string, readonly string[]>> = {
  nothing: ["reset"],
  garbage: ["\0\xff\x01 garbage\r\n\r\n"],
  "the preface of HTTP/2": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  "no host": ["POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"],
  "a host that is none": ["POST / HTTP/1.1\r\nHost: [\r\nContent-Length: 3\r\n\r\nabc"],
  "a host with spaces": ["POST / HTTP/1.1\r\nHost: a b:c\r\nContent-Length: 3\r\n\r\nabc"],
  "the path *": ["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"],
  "the path //": ["POST // HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"],
  "a URL that is none": ["POST http://[ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"],
  CONNECT: ["CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"],
  TRACE: ["TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nabc", "reset"],
  "an upgrade": [`${HEAD}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`],
  "an expectation": [`${HEAD}Expect: nonsense\r\nContent-Length: 3\r\n\r\nabc`],
  "a body that is cut": [`${HEAD}Content-Length: 1000\r\n\r\nabc`, "reset"],
  "no body after all": [`${HEAD}Content-Length: 1000\r\n\r\n`, "reset"],
  "chunks that are cut": [`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`, "reset"],
  "chunks that are none": [`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n`],
  "a long header": [`${HEAD}X: ${LONG}\r\n\r\n`],
  "a long body": [`${HEAD}Content-Length: 200000\r\n\r\n`, LONG],
  "a long body that is cut": [`${HEAD}Content-Length: 900000\r\n\r\n`, LONG, LONG, "reset"],
  "a long chunk that is cut": [`${HEAD}Transfer-Encoding: chunked\r\n\r\nffffff\r\n`, LONG, LONG, LONG, "reset"],
  "a length beyond all numbers": [`${HEAD}Content-Length: 99999999999999999999\r\n\r\nabc`],
  "a huge length": [`${HEAD}Content-Length: 9999999999\r\n\r\nabc`, "reset"],
  "a negative length": [`${HEAD}Content-Length: -1\r\n\r\nabc`],
  "two lengths": [`${HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
  "a compressed body": [`${HEAD}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc`],
  "an odd origin": [`${HEAD}Origin: \xff\xfe\x80\r\nContent-Length: 3\r\n\r\nabc`],
  "odd headers to ask for": [
    "OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: a\r\nAccess-Control-Request-Headers: \xff \x80,\t;=\r\n\r\n",
  ],
  "a GET with a body that is cut": ["GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nabc", "reset"],
  HEAD: ["HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"],
  "names of Object's own": [`${HEAD}__proto__: x\r\nconstructor: y\r\nContent-Length: 3\r\n\r\nabc`],
  "three at once, the last one cut": [
    `${HEAD}Content-Length: 3\r\n\r\nabc${HEAD}Content-Length: 3\r\n\r\nabc${HEAD}Content-Length: 300\r\n\r\nabc`,
    "reset",
  ],
};

/** Sends the parts one after the other, each when the one before it has left; resolves when the server has answered or hung up. */
export function sendRequest(port: number, parts: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let isSaid = false;
    let isAnswered = false;
    const leave = () => {
      if (isSaid && isAnswered) socket.destroy();
    };
    const next = (index: number): void => {
      const part = parts[index];
      if (part === "reset") socket.resetAndDestroy();
      else if (part === undefined) {
        isSaid = true;
        leave();
      } else socket.write(part, "latin1", () => setImmediate(next, index + 1));
    };
    socket.on("connect", () => next(0));
    socket.on("error", () => {});
    socket.on("data", () => {
      isAnswered = true;
      leave();
    });
    socket.on("close", () => resolve());
  });
}
