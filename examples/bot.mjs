// A bot: the native client against any server of this kind. `node examples/bot.mjs http://127.0.0.1:8080/new_rtc_session`
import { connect } from "webrtc-datagram";

const connection = await connect(process.argv[2], { reconnect: true });
connection.on("reconnecting", ({ attempt, delayMs }) => console.log(`attempt ${attempt} in ${Math.round(delayMs)} ms`));
connection.on("open", () => console.log("back again"));
connection.on("close", (reason) => console.log(`closed: ${reason}`));

const timer = setInterval(() => connection.trySend(`it is ${new Date().toISOString()}`), 1000);
process.once("SIGINT", () => {
  clearInterval(timer);
  connection.close();
});
for await (const { data } of connection) console.log(data);
