import { type ParseArgsConfig, parseArgs } from "node:util";

/** A mistake of whoever typed the command: one sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Flags by name. Reads them strictly. @throws UsageError */
export function parseFlags<Flags extends NonNullable<ParseArgsConfig["options"]>>(
  args: string[],
  options: Flags,
): ReturnType<typeof parseArgs<{ args: string[]; options: Flags }>>["values"] {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(`${sentence(error as Error)}; try: webrtc-datagram help`);
  }
}

/** Of what Node.js says the first sentence, which it continues with advice. */
function sentence({ message }: Error): string {
  const ambiguous = /^Option '(--\S+)' argument is ambiguous/.exec(message);
  if (ambiguous !== null) return `${ambiguous[1]} needs a value, which cannot begin with a dash`;
  return message.split(/\.\s/, 1)[0];
}
