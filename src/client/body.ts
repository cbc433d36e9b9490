/** Answers of servers have about 800; what is behind these is not read. */
export const MAX_ANSWER_CHARACTERS = 65_536;

/**
 * The beginning of a response's body as text: whoever answers must not fill our memory. Both clients read so; the page's has to be
 * small.
 */
export async function readText({ body }: Response): Promise<string> {
  let text = "";
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  while (reader && text.length <= MAX_ANSWER_CHARACTERS) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  reader?.cancel();
  return text;
}
