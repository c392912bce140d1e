// Runs front_end.js as a page would: node front_end_runner.mjs URL CONVERSATION TOKEN OTHER_TOKEN
// Prints what the page shows, as JSON.
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const [url, conversation, token, otherToken] = process.argv.slice(2);
const HURRY = 50; // times as often as the source polls

const as = (bearer) => ({
  post: async (path, body) => {
    const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' };
    const options = { method: 'POST', headers, body: JSON.stringify(body) };
    const answer = await (await fetch(url + path, options)).json();
    if (answer.base_resp.code !== 200) throw new Error(answer.base_resp.message);
    return answer;
  },
});

const shown = { buttons: 0, badges: [], cleared: [], sounds: 0, first: 0 };
const page = vm.createContext({
  api: as(token),
  messages: [],
  displayMessages: (list) => { page.messages = list; shown.first = list.length; },
  prependMessages: (list) => { page.messages = [...list, ...page.messages]; },
  appendMessages: (list) => { page.messages = [...page.messages, ...list]; },
  showLoadMoreButton: () => { shown.buttons += 1; },
  playNotificationSound: () => { shown.sounds += 1; },
  showUnreadBadge: (id, count) => { shown.badges.push([id, count]); },
  clearUnreadBadge: (id) => { shown.cleared.push(id); },
  setInterval: (work, ms) => setInterval(work, ms / HURRY),
  clearInterval,
});
vm.runInContext(readFileSync(new URL('front_end.js', import.meta.url), 'utf8'), page);
const run = (code) => vm.runInContext(code, page);
const id = JSON.stringify(conversation);

await run(`loadMessages(${id})`);
for (let before = 0; before < page.messages.length;) {
  before = page.messages.length;
  await run(`loadMoreMessages(${id})`);
}
const list = await page.api.post('/api/v1/conversation/get_conversations', {});
page.conversations = list.conversations;
run('renderConversationList(conversations)');
await run(`enterConversation(${id})`);
for (const content of ['one', 'two', 'three']) {
  const body = { conversation_id: conversation, message_type: 'text', content };
  await as(otherToken).post('/api/v1/conversation/send_message', body);
}
while (page.messages.at(-1).content !== 'three') await new Promise((r) => setTimeout(r, 20));
run('leaveConversation()');
console.log(JSON.stringify({ ...shown, contents: page.messages.map((each) => each.content) }));
