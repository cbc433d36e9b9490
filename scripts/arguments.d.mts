import type { ParseArgsConfig, parseArgs } from "node:util";

export function readArguments<const Options extends NonNullable<ParseArgsConfig["options"]>>(
  url: string,
  options: Options,
  args?: string[],
): ReturnType<typeof parseArgs<{ options: Options }>>["values"];
