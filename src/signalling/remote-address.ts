/** Requests whose client's address is known from the socket that they came by. The web's `Request` has no place for it. */
const addresses = new WeakMap<Request, string>();

/** Notes where a request came from. */
export function noteRemoteAddress(request: Request, address: string): void {
  addresses.set(request, address);
}

/** The address that was noted for a request; `undefined` where none was. */
export function remoteAddressOf(request: Request): string | undefined {
  return addresses.get(request);
}
