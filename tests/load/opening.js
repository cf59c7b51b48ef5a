// An opening as k6 makes it: one iteration a candidate, started by the clock and not by answers.
//
//   k6 run -e TARGET=enrollment.example:8443 -e CERTS=./certs -e FOLDER=./opening opening.js
//
// FOLDER holds opening.json (`zikao rush --k6 FOLDER`: who comes when and wants what) and
// tokens.json (tokens.py: an access token for each). See README.md, also for what was checked here.
import { check, sleep } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import grpc from 'k6/net/grpc';

const FOLDER = __ENV.FOLDER || '.';
const CERTS = __ENV.CERTS || './certs';
const NAME = __ENV.NAME || 'portal'; // whose certificate: the system that the tokens were issued to
const PROTOS = __ENV.PROTOS || '../../protos';
const WAITING_ROOM = __ENV.WAITING_ROOM === '1';
const TIMEOUT_MS = 5000; // what a caller waits for one answer
const PATIENCE_MS = Number(__ENV.PATIENCE_MS || 60000); // and in all, with repetitions
const FIRST_PAUSE_MS = 100; // as zikao_client does: doubled, drawn at random, never below what is asked
const LONGEST_PAUSE_MS = 2000;

// Parsed once a process: each virtual user gets its own copy of what is small, and no more.
const opening = new SharedArray('opening', () => {
  const { wishes, ...rest } = JSON.parse(open(`${FOLDER}/opening.json`));
  return [rest];
})[0];
const wishes = new SharedArray('wishes', () => JSON.parse(open(`${FOLDER}/opening.json`)).wishes);
const tokens = new SharedArray('tokens', () => JSON.parse(open(`${FOLDER}/tokens.json`)));
const tls = {
  cacerts: [open(`${CERTS}/ca.pem`)],
  cert: open(`${CERTS}/${NAME}.pem`),
  key: open(`${CERTS}/${NAME}.key`),
};

const client = new grpc.Client();
client.load(
  [PROTOS],
  'zikao/enrollment/v1/enrollment_service.proto',
  'zikao/enrollment/v1/waiting_room_service.proto',
);
let connected = false;

const answered = new Counter('candidates_answered'); // seats, or none are left
const seated = new Counter('seats_taken');
const unanswered = new Counter('candidates_unanswered'); // patience has ended, or nothing that can be
const contradicted = new Counter('contradictions'); // an answer or a refusal that cannot be
const sentAway = new Counter('calls_sent_away'); // "come again later"
const journey = new Trend('journey', true); // from the candidate's start to the answer

// The points of opening.json are relative; straight lines between them are k6's stages.
function stages() {
  const points = opening.arrival;
  let area = 0;
  for (let i = 1; i < points.length; i++) {
    area += ((points[i][0] - points[i - 1][0]) * (points[i][1] + points[i - 1][1])) / 2;
  }
  const perMinute = (rate) => Math.round((rate / area) * (opening.candidates / opening.seconds) * 60);
  return {
    startRate: perMinute(points[0][1]),
    stages: points.slice(1).map((point, i) => ({
      target: perMinute(point[1]),
      duration: `${Math.round((point[0] - points[i][0]) * opening.seconds * 1000)}ms`,
    })),
  };
}

export const options = {
  scenarios: {
    opening: {
      executor: 'ramping-arrival-rate',
      timeUnit: '1m',
      ...stages(),
      preAllocatedVUs: Number(__ENV.VUS || 2000),
      maxVUs: Number(__ENV.MAX_VUS || __ENV.VUS || 2000),
      gracefulStop: `${PATIENCE_MS}ms`,
    },
  },
  thresholds: {
    // Load that was not sent was not measured: more VUs, or more runners.
    dropped_iterations: ['count==0'],
    checks: ['rate>0.99'],
    contradictions: ['count==0'],
    // Nobody gets seats where the window is shut or tokens have ended.
    seats_taken: ['count>0'],
    candidates_unanswered: ['count==0'],
    'grpc_req_duration{call:submit}': [`p(99)<${TIMEOUT_MS / 2}`],
    journey: [`p(95)<${PATIENCE_MS / 2}`],
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

export default function () {
  const number = exec.scenario.iterationInTest;
  if (number >= wishes.length) return; // rates are rounded: a few more may be started than there are
  if (number >= tokens.length) exec.test.abort(`no token for candidate ${number}`);
  const begun = Date.now();
  const candidate = { token: tokens[number], until: begun + PATIENCE_MS };
  const pass = !isConnected() ? null : WAITING_ROOM ? waitForTurn(candidate) : '';
  const response = pass === null ? null : submit(candidate, wishes[number], pass);
  const known = response !== null && isFinal(response);
  check(response, { 'the candidate has an answer': () => known });
  if (!known) {
    unanswered.add(1);
    return;
  }
  answered.add(1, { status: String(response.status) });
  journey.add(Date.now() - begun);
}

// Whether there is a connection: k6 throws where there is none, and no threshold would see that.
function isConnected() {
  if (connected) return true;
  try {
    client.connect(__ENV.TARGET, { tls });
    connected = true;
  } catch (error) {
    console.error(String(error));
  }
  return connected;
}

// Whether the candidate knows: seats, or that there are none. Any other refusal says that the test is
// not what it should be (tokens, window, approvals), or the service is broken.
function isFinal(response) {
  if (comesAgain(response)) return false;
  const fits = [grpc.StatusOK, grpc.StatusResourceExhausted].includes(response.status);
  if (!fits) contradicted.add(1, { status: String(response.status) });
  return fits;
}

// Seats for the wish, with one request id for all repetitions.
function submit(candidate, wish, pass) {
  const request = {
    request_id: newId(),
    session_code: opening.session_code,
    choice: { course_codes: wish.course_codes, county_codes: wish.county_codes },
  };
  const method = 'zikao.enrollment.v1.EnrollmentService/SubmitEnrollment';
  const response = patiently(candidate, method, request, 'submit', pass);
  if (response !== null && response.status === grpc.StatusOK) {
    seated.add(1);
    const order = response.message.order;
    const fits = wish.county_codes.includes(order.countyCode)
      && order.courses.length === wish.course_codes.length;
    if (!check(response, { 'the seats are those that were wished for': () => fits })) {
      contradicted.add(1);
    }
  }
  return response;
}

// The pass of the waiting room, '' where none is needed, null without one: patience has ended, or a
// refusal, which is none that can be.
function waitForTurn(candidate) {
  const service = 'zikao.enrollment.v1.WaitingRoomService';
  const request = { session_code: opening.session_code };
  let response = patiently(candidate, `${service}/JoinWaitingRoom`, request, 'join');
  while (response !== null && response.status === grpc.StatusOK) {
    const { place, askAgainAfter } = response.message;
    if (place.state === 'PLACE_STATE_ADMITTED') return place.admissionPass;
    if (place.state === 'PLACE_STATE_OPEN') return '';
    const again = place.state === 'PLACE_STATE_LAPSED' ? 'JoinWaitingRoom' : 'GetPlace';
    if (!pause(candidate, seconds(askAgainAfter) * 1000)) return null;
    response = patiently(candidate, `${service}/${again}`, request, 'place');
  }
  if (response !== null && !comesAgain(response)) contradicted.add(1, { status: String(response.status) });
  return null;
}

// Call, again while the answer is "not now", as the contract asks of callers (docs/request-flow.md):
// never sooner than the server says. The last answer when patience has ended, null without any.
function patiently(candidate, method, request, call, pass) {
  let ownPause = FIRST_PAUSE_MS;
  let response = null;
  while (Date.now() < candidate.until) {
    response = client.invoke(method, request, {
      metadata: metadata(candidate, pass),
      timeout: `${TIMEOUT_MS}ms`,
      tags: { call },
    });
    if (!comesAgain(response)) return response;
    sentAway.add(1, { call, status: String(response.status) });
    const drawn = ownPause * (0.5 + Math.random() / 2);
    ownPause = Math.min(ownPause * 2, LONGEST_PAUSE_MS);
    if (!pause(candidate, Math.max(pushback(response) || 0, drawn))) return response;
  }
  return response;
}

function metadata(candidate, pass) {
  const known = {
    authorization: `Bearer ${candidate.token}`,
    'zikao-timeout-ms': String(TIMEOUT_MS),
  };
  return pass ? { ...known, 'zikao-admission-pass': pass } : known;
}

// Whether the answer is "not now": the server says when to come again, or nobody has answered.
function comesAgain(response) {
  return pushback(response) !== null
    || [grpc.StatusUnavailable, grpc.StatusDeadlineExceeded, grpc.StatusCanceled]
      .includes(response.status);
}

// Milliseconds after which the server wants to be asked again (the same as in RetryInfo), or null.
// Trailers rather than the error's details: k6 shows those only of types that it knows.
function pushback(response) {
  const values = (response.trailers || {})['grpc-retry-pushback-ms'];
  return values && values.length ? Number(values[0]) : null;
}

// Sleep, unless patience ends before.
function pause(candidate, ms) {
  if (Date.now() + ms >= candidate.until) return false;
  sleep(ms / 1000);
  return true;
}

// A Duration in protobuf's JSON: "1.5s".
function seconds(duration) {
  return duration ? Number(duration.replace('s', '')) : 1;
}

// A version 4 UUID. Math.random is k6's; ids of load need be different, and no secret.
function newId() {
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () =>
    Math.floor(Math.random() * 16).toString(16));
}
