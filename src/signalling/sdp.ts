/** SDP both ways: offers are read, answers written. */
export { type AnswerParts, buildAnswer, candidateAttribute, SCTP_PORT } from "./answer.ts";
export { type Offer, type OfferedSection, type ParsedOffer, parseOffer } from "./offer.ts";
