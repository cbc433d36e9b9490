import { Emitter } from "./emitter.ts";
import { checkName, type Names } from "../application/names.ts";

/** An emitter that knows its events: a listener for one that never comes is a bug that nobody would see. A page's is without. */
export abstract class NamedEmitter<Events extends { [Name in keyof Events]: unknown[] }> extends Emitter<Events> {
  /** All events. On the prototype, so that an object has nothing of it. */
  protected abstract get eventNames(): Names<Events>;

  /** @throws TypeError for an event that there is not */
  override on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): this {
    checkName(name, this.eventNames, `an event of ${this.constructor.name}`);
    return super.on(name, listener);
  }

  /** @throws TypeError for an event that there is not */
  override off<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): this {
    checkName(name, this.eventNames, `an event of ${this.constructor.name}`);
    return super.off(name, listener);
  }
}
