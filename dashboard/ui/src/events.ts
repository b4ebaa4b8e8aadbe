// Reading server-sent events.

export type OnEvent = (id: string, event: string, data: string) => void;

// parser returns a function that takes pieces of text and calls on for each event, as the specification says.
export function parser(on: OnEvent): (piece: string) => void {
  let rest = '', id = '', event = '', data: string[] = [];
  return piece => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length) on(id, event || 'message', data.join('\n'));
        event = '';
        data = [];
        continue;
      }
      const [, name, text = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (name === 'data') data.push(text);
      else if (name === 'event') event = text;
      else if (name === 'id') id = text;
    }
  };
}
