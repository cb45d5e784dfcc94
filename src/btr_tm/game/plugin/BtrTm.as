// BtrTm: lets the Python package btr_tm drive TrackMania Nations Forever. For TMInterface 2.2.1.
//
// The game listens on 127.0.0.1 and Python connects: Net::Socket::Connect of 2.2.1 returns false even where it
// connected. The messages are those of btr_tm/envs/tminterface/messages.py; all numbers are little-endian.
// A SYNC message stops the game until the same id comes back. Python may send other messages meanwhile.
// Installed by `python -m btr_tm.game install`, which tells copies apart by the next line.
const string PLUGIN_VERSION = "0.1.0";
const int TABLE_VERSION = 1;  // of that table

const string HOST = "127.0.0.1";
const uint16 DEFAULT_PORT = 8478;
const string PORT_KEY = "/btr_tm_port=";
const uint DEFAULT_TIMEOUT_MS = 2000;  // from the entry into a wait, whatever arrives meanwhile
const int DEFAULT_PERIOD_MS = 10;
const uint NEWCOMER_MS = 500;          // how often a stopped game looks for a new client
const uint PAYLOAD_MS = 5000;          // for the rest of a message that has begun
const uint FOCUS_MS = 10000;           // no window asks for the keyboard more often
const int LONGEST_COMMAND = 4096;
const int LONGEST_STATE = 1048576;
const int LARGEST_SIDE = 4096;
const string OWN_FOCUS = "btr_tm_focus";  // as EXECUTE_COMMAND: ask for the keyboard now

enum Message {
    RUN_STEP_SYNC = 1,
    CHECKPOINT_COUNT_CHANGED_SYNC = 2,
    LAP_COUNT_CHANGED_SYNC = 3,
    REQUESTED_FRAME_SYNC = 4,
    ON_CONNECT_SYNC = 5,
    SET_SPEED = 6,
    REWIND_TO_STATE = 7,
    REWIND_TO_CURRENT_STATE = 8,
    GET_SIMULATION_STATE = 9,
    SET_INPUT_STATE = 10,
    GIVE_UP = 11,
    PREVENT_SIMULATION_FINISH = 12,
    SHUTDOWN = 13,
    EXECUTE_COMMAND = 14,
    SET_TIMEOUT = 15,
    RACE_FINISHED = 16,
    REQUEST_FRAME = 17,
    RESET_CAMERA = 18,
    SET_ON_STEP_PERIOD = 19,
    UNREQUEST_FRAME = 20,
    TOGGLE_INTERFACE = 21,
    IS_IN_MENUS = 22,
    GET_INPUTS = 23,
    HELLO = 24
}

Net::Socket@ g_server = null;
Net::Socket@ g_client = null;
uint16 g_port = DEFAULT_PORT;
bool g_listens = false;
uint g_timeout = DEFAULT_TIMEOUT_MS;
int g_period = DEFAULT_PERIOD_MS;
int g_frameWidth = 0;    // 0: no frame is wanted
int g_frameHeight = 0;
bool g_greets = false;   // ON_CONNECT_SYNC is due once the menus are there
bool g_stepping = false; // the game calls from its physics, where a rewind is allowed
bool g_rewound = false;  // to the present, in this step
bool g_left = false;     // the keys that were set last: a rewind drops them
bool g_right = false;
bool g_accelerate = false;
bool g_brake = false;
uint64 g_triedAt = 0;
uint64 g_focusedAt = 0;
array<string> g_commands;  // TMInterface runs the commands of one frame last first: one a frame, then
uint g_nextCommand = 0;    // all before it have run

PluginInfo@ GetPluginInfo()
{
    PluginInfo info;
    info.Name = "BtrTm";
    info.Author = "btr_tm";
    info.Version = PLUGIN_VERSION;
    info.Description = "Lets btr_tm drive: listens on 127.0.0.1 and stops the game for each decision.";
    return info;
}

void Main()
{
    g_port = PortOfCommandLine();
    Listen();
}

void OnDisabled()
{
    if (g_client !is null) g_client.Write(int(Message::SHUTDOWN));
    Drop("the plugin ends");
    g_listens = false;
    @g_server = null;
}

// TMLoader hands all arguments over as one quoted argument: the key is looked for inside each.
uint16 PortOfCommandLine()
{
    const array<string>@ given = IO::GetCommandLineArgs();
    for (uint i = 0; i < given.Length; i++) {
        const int at = given[i].FindFirst(PORT_KEY);
        if (at < 0) continue;
        string number = given[i].Substr(uint(at) + PORT_KEY.Length);
        const int end = number.FindFirstOf(" \t\"");
        if (end >= 0) number = number.Substr(0, end);
        return uint16(Text::ParseUInt(number));
    }
    return DEFAULT_PORT;
}

void Listen()
{
    g_triedAt = Time::Now;
    @g_server = Net::Socket();
    g_listens = g_server.Listen(HOST, g_port);
    if (g_listens) log("BtrTm " + PLUGIN_VERSION + " listens on port " + g_port);
    else log("BtrTm: port " + g_port + " is taken by another program", Severity::Error);
}

// ------------------------------------------------------------------------------------------- connection

// A newcomer replaces the client: the old one may be a program that was killed while the game was stopped.
bool AcceptNewcomer()
{
    if (!g_listens) return false;
    Net::Socket@ newcomer = g_server.Accept(0);
    if (newcomer is null) return false;
    if (g_client !is null) Drop("another program connected");
    @g_client = newcomer;
    g_client.NoDelay = true;
    Greet();
    g_greets = true;
    return true;
}

// Nothing in 2.2.1 tells a plugin the version of the game: that text stays empty.
void Greet()
{
    g_client.Write(int(Message::HELLO));
    g_client.Write(int(TABLE_VERSION));
    WriteText(PLUGIN_VERSION);
    WriteText("");
    g_client.Write(int(GetCurrentGameState()));
}

void WriteText(const string&in text)
{
    g_client.Write(int(text.Length));
    if (text.Length > 0) g_client.Write(text);
}

// Whoever leaves, the game goes on at normal speed as if nobody had been here.
void Drop(const string&in why)
{
    if (g_client is null) return;
    log("BtrTm: the client is gone (" + why + ")", Severity::Warning);
    @g_client = null;
    g_greets = false;
    g_timeout = DEFAULT_TIMEOUT_MS;
    g_period = DEFAULT_PERIOD_MS;
    g_frameWidth = 0;
    g_frameHeight = 0;
    ForgetCommands();
    RememberKeys(false, false, false, false);
    GetSimulationManager().SetSpeed(1);
    ToggleRaceInterface(true);
}

// Stops the game until `id` comes back; false if there is no client any more.
bool Wait(const int id)
{
    const uint64 began = Time::Now;
    uint64 looked = began;
    while (g_client !is null) {
        if (g_client.Available >= 4) {
            const int received = g_client.ReadInt32();
            if (received == id) return true;
            Handle(received);
            continue;
        }
        const uint64 now = Time::Now;
        if (now - began > g_timeout) { Drop("no answer to message " + id + " in " + g_timeout + " ms"); return false; }
        if (now - looked > NEWCOMER_MS) {
            looked = now;
            if (AcceptNewcomer()) return false;
        }
    }
    return false;
}

// Whether `bytes` have come: a message may be cut in two on the way.
bool Awaited(const uint bytes)
{
    const uint64 began = Time::Now;
    while (g_client !is null && g_client.Available < bytes) {
        if (Time::Now - began > PAYLOAD_MS) Drop("a message ends too early");
    }
    return g_client !is null;
}

// --------------------------------------------------------------------------------------------- messages

void Handle(const int id)
{
    SimulationManager@ sim = GetSimulationManager();
    switch (id) {
        case Message::RUN_STEP_SYNC:
        case Message::CHECKPOINT_COUNT_CHANGED_SYNC:
        case Message::LAP_COUNT_CHANGED_SYNC:
        case Message::REQUESTED_FRAME_SYNC:
        case Message::ON_CONNECT_SYNC:
        case Message::HELLO:
            Drop("it sent message " + id + ", which nobody waits for");
            break;
        case Message::SET_SPEED:
            if (Awaited(4)) SetSpeed(sim, g_client.ReadFloat());
            break;
        case Message::REWIND_TO_STATE:
            RewindToState(sim);
            break;
        case Message::REWIND_TO_CURRENT_STATE:
            RewindToPresent(sim);
            break;
        case Message::GET_SIMULATION_STATE:
            SendState(sim);
            break;
        case Message::SET_INPUT_STATE:
            SetKeys(sim);
            break;
        case Message::GIVE_UP:
            Focus();
            if (sim.InRace) sim.GiveUp();
            break;
        case Message::PREVENT_SIMULATION_FINISH:
            if (sim.InRace) sim.PreventSimulationFinish();
            break;
        case Message::SHUTDOWN:
            Drop("it said so");
            break;
        case Message::EXECUTE_COMMAND:
            QueueCommand();
            break;
        case Message::SET_TIMEOUT:
            if (Awaited(4)) g_timeout = g_client.ReadUint32();
            break;
        case Message::RACE_FINISHED:
            g_client.Write(int(sim.PlayerInfo.RaceFinished || sim.TickTime > sim.RaceTime ? 1 : 0));
            break;
        case Message::REQUEST_FRAME:
            RequestFrame();
            break;
        case Message::RESET_CAMERA:
            sim.ResetCamera();
            break;
        case Message::SET_ON_STEP_PERIOD:
            if (Awaited(4)) SetPeriod(g_client.ReadInt32());
            break;
        case Message::UNREQUEST_FRAME:
            g_frameWidth = 0;
            g_frameHeight = 0;
            break;
        case Message::TOGGLE_INTERFACE:
            if (Awaited(4)) ToggleRaceInterface(g_client.ReadInt32() > 0);
            break;
        case Message::IS_IN_MENUS:
            g_client.Write(int(GetCurrentGameState() == TM::GameState::Menus ? 1 : 0));
            break;
        case Message::GET_INPUTS:
            SendInputs(sim);
            break;
        default:
            Drop("message " + id + " is unknown");
    }
}

// Speed 0 alone takes effect some ticks late. A rewind to the present stops on this tick.
void SetSpeed(SimulationManager@ sim, const float speed)
{
    if (speed == 0 && g_stepping && !g_rewound) RewindToPresent(sim);
    sim.SetSpeed(speed);
}

void RewindToPresent(SimulationManager@ sim)
{
    if (!sim.InRace) return;
    sim.RewindToState(sim.SaveState(), true);  // true: resets the camera, which the wall clock smooths
    g_rewound = true;
    PressKeys(sim);
}

// Another race begins, so no key is held; its inputs go through the keys of the window that has the keyboard.
void RewindToState(SimulationManager@ sim)
{
    if (!Awaited(4)) return;
    const int length = g_client.ReadInt32();
    if (length <= 0 || length > LONGEST_STATE) { Drop("a state of " + length + " bytes"); return; }
    if (!Awaited(uint(length))) return;
    const auto bytes = g_client.ReadBytes(length);
    if (!sim.InRace) return;
    FocusNowAndThen();
    SimulationState state(bytes);
    sim.RewindToState(state, true);
    RememberKeys(false, false, false, false);
    PressKeys(sim);
}

// In menus there is no state: length 0.
void SendState(SimulationManager@ sim)
{
    array<uint8> bytes;
    if (sim.InRace) bytes = sim.SaveState().ToArray();
    g_client.Write(int(bytes.Length));
    g_client.Write(bytes);
}

void SetKeys(SimulationManager@ sim)
{
    if (!Awaited(4)) return;
    const bool left = g_client.ReadUint8() != 0;
    const bool right = g_client.ReadUint8() != 0;
    const bool accelerate = g_client.ReadUint8() != 0;
    const bool brake = g_client.ReadUint8() != 0;
    RememberKeys(left, right, accelerate, brake);
    if (sim.InRace) PressKeys(sim);
}

void RememberKeys(const bool left, const bool right, const bool accelerate, const bool brake)
{
    g_left = left;
    g_right = right;
    g_accelerate = accelerate;
    g_brake = brake;
}

void PressKeys(SimulationManager@ sim)
{
    sim.SetInputState(InputType::Left, g_left ? 1 : 0);
    sim.SetInputState(InputType::Right, g_right ? 1 : 0);
    sim.SetInputState(InputType::Up, g_accelerate ? 1 : 0);
    sim.SetInputState(InputType::Down, g_brake ? 1 : 0);
}

void QueueCommand()
{
    if (!Awaited(4)) return;
    const int length = g_client.ReadInt32();
    if (length <= 0 || length > LONGEST_COMMAND) { Drop("a command of " + length + " bytes"); return; }
    if (!Awaited(uint(length))) return;
    const string command = g_client.ReadString(length);
    if (command == OWN_FOCUS) Focus();
    else g_commands.Add(command);
}

void RequestFrame()
{
    if (!Awaited(8)) return;
    const int width = g_client.ReadInt32();
    const int height = g_client.ReadInt32();
    if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE) {
        Drop("a frame of " + width + " x " + height + " pixels");
        return;
    }
    g_frameWidth = width;
    g_frameHeight = height;
}

void SetPeriod(const int milliseconds)
{
    if (milliseconds < 10) Drop("a period of " + milliseconds + " ms");
    else g_period = milliseconds;
}

void SendInputs(SimulationManager@ sim)
{
    string text = "";
    if (sim.InRace) text = sim.InputEvents.ToCommandsText();
    WriteText(text);
}

// An instance that never had the keyboard has no bindings: inputs that go through keys are then dropped.
void Focus()
{
    g_focusedAt = Time::Now;
    Graphics::FocusGameWindow();
}

void FocusNowAndThen()
{
    if (Time::Now - g_focusedAt > FOCUS_MS) Focus();
}

// ------------------------------------------------------------------------------------ calls by the game

void OnRunStep(SimulationManager@ sim)
{
    if (g_client is null) return;
    const int time = sim.RaceTime;
    if (time % g_period != 0 && sim.TickTime <= time) return;  // beyond: the race is over or was rewound
    g_client.Write(int(Message::RUN_STEP_SYNC));
    g_client.Write(int(time));
    WaitInStep(Message::RUN_STEP_SYNC);
}

void WaitInStep(const int id)
{
    g_stepping = true;
    g_rewound = false;
    Wait(id);
    g_stepping = false;
}

void OnCheckpointCountChanged(SimulationManager@ sim, int current, int target)
{
    if (g_client is null) return;
    g_client.Write(int(Message::CHECKPOINT_COUNT_CHANGED_SYNC));
    g_client.Write(int(current));
    g_client.Write(int(target));
    WaitInStep(Message::CHECKPOINT_COUNT_CHANGED_SYNC);
}

void OnLapCountChanged(SimulationManager@ sim, int current, int target)
{
    if (g_client is null) return;
    g_client.Write(int(Message::LAP_COUNT_CHANGED_SYNC));
    g_client.Write(int(current));
    g_client.Write(int(target));
    WaitInStep(Message::LAP_COUNT_CHANGED_SYNC);
}

void OnGameStateChanged(TM::GameState state)
{
    if (g_client !is null && state == TM::GameState::LocalRace) Focus();
}

void Render()
{
    if (!g_listens && Time::Now - g_triedAt > 1000) Listen();
    AcceptNewcomer();
    if (g_client is null || GetCurrentGameState() == TM::GameState::StartUp) return;
    if (g_greets) {
        g_greets = false;
        g_client.Write(int(Message::ON_CONNECT_SYNC));
        Wait(Message::ON_CONNECT_SYNC);
    }
    while (g_client !is null && g_client.Available >= 4) Handle(g_client.ReadInt32());
    RunOneCommand();
    SendFrame();
}

// Commands before the main menu crash the game or are lost: Render comes here only after StartUp.
void RunOneCommand()
{
    if (g_client is null || g_nextCommand >= g_commands.Length) return;
    const string command = g_commands[g_nextCommand];
    g_nextCommand++;
    if (g_nextCommand == g_commands.Length) ForgetCommands();
    ExecuteCommand(command);
}

void ForgetCommands()
{
    g_commands.Clear();
    g_nextCommand = 0;
}

void SendFrame()
{
    if (g_client is null || g_frameWidth == 0) return;
    const auto@ pixels = Graphics::CaptureScreenshot(vec2(g_frameWidth, g_frameHeight));
    g_frameWidth = 0;
    g_frameHeight = 0;
    g_client.Write(int(Message::REQUESTED_FRAME_SYNC));
    g_client.Write(pixels);
    Wait(Message::REQUESTED_FRAME_SYNC);
}
