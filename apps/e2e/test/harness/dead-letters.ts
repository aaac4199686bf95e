import { type Hermes, Message } from '@hermes/client';

/** The texts of a group's dead letters, each with its attempts: `text#attempts`. */
export async function deadTexts(hermes: Hermes, topic: string, group: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { message, attempts } of hermes.admin.listDeadLetters(topic, group)) {
    texts.push(`${Buffer.from((message ?? Message.create()).body).toString()}#${attempts}`);
  }
  return texts;
}
