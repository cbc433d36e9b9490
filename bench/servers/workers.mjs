/** Ours on several threads, by the pool of examples/workers; how many, says WORKERS. */
import { WorkerPool } from "../../examples/workers/pool.mjs";
import { serve } from "./child.mjs";

const pool = await WorkerPool.start(Number(process.env.WORKERS), 0);
serve({ answer: async (offer) => (await pool.answer(offer)).answer.sdp });
