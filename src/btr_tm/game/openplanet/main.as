// BtrTelemetry: tells the Python package btr_tm what the car does, once per picture. For Openplanet.
//
// Not run in the real game yet: written from the documentation of Openplanet and from what other plugins do.
// It listens on 127.0.0.1 and serves one program at a time; nothing is ever read from it. The record is the schema
// "btr" of btr_tm/envs/desktop/telemetry/schemas.py: 144 bytes, little-endian. A plugin that is not signed loads
// in Openplanet's Developer signature mode only.
const string PLUGIN_VERSION = "0.1.0";
const string HOST = "127.0.0.1";
const uint16 PORT = 9000;
const uint MAP_BYTES = 32;  // of the map's UID, which has 27
const uint RETRY_MS = 1000;

uint g_sequence = 0;
uint64 g_landedAt = 0;  // when a wheel last touched the ground

void Main()
{
    while (true) {
        Net::Socket@ server = Net::Socket();
        if (!server.Listen(HOST, PORT)) {
            warn("BtrTelemetry: port " + PORT + " is taken by another plugin or program");
            sleep(RETRY_MS);
            continue;
        }
        print("BtrTelemetry " + PLUGIN_VERSION + " listens on port " + PORT);
        while (true) {
            Net::Socket@ client = server.Accept();
            if (client !is null) {
                Serve(client);
                client.Close();
            }
            yield();
        }
    }
}

// Until the program leaves. Where there is no car, nothing is sent: zeros would be lies.
void Serve(Net::Socket@ client)
{
    while (true) {
        MemoryBuffer@ record = Record();
        if (record !is null && !client.Write(record)) return;
        yield();
    }
}

MemoryBuffer@ Record()
{
    CGameCtnApp@ app = GetApp();
    CSmArenaClient@ playground = cast<CSmArenaClient>(app.CurrentPlayground);
    if (playground is null || app.RootMap is null || playground.GameTerminals.Length == 0) return null;
    CGameTerminal@ terminal = playground.GameTerminals[0];
    CSmPlayer@ player = cast<CSmPlayer>(terminal.ControlledPlayer);
    if (player is null) return null;
    CSmScriptPlayer@ driver = cast<CSmScriptPlayer>(player.ScriptAPI);
    CSceneVehicleVisState@ car = VehicleState::ViewingPlayerState();
    if (driver is null || car is null) return null;

    const bool finished = terminal.UISequence_Current == SGamePlaygroundUIConfig::EUISequence::Finish;
    if (car.IsGroundContact || g_landedAt == 0) g_landedAt = Time::Now;

    MemoryBuffer@ record = MemoryBuffer();
    WriteMagic(record);
    record.Write(g_sequence++);                            // sequence
    record.Write(int(Now(app) - driver.StartTime));        // race_ms: less than 0 before the start
    record.Write(int(driver.RaceWaypointTimes.Length));    // checkpoints
    record.Write(int(finished ? 1 : 0));                   // finished
    WriteMap(record, app.RootMap.MapInfo.MapUid);          // map_id
    WriteVector(record, car.Position);                     // position
    WriteVector(record, car.WorldVel);                     // velocity
    WriteVector(record, car.Dir);                          // forward
    WriteVector(record, car.Up);                           // up
    record.Write(float(car.WorldVel.Length()));            // speed
    record.Write(float(car.InputSteer));                   // steer
    record.Write(float(car.InputGasPedal));                // gas
    record.Write(float(car.InputIsBraking ? 1 : 0));       // brake
    record.Write(float(car.CurGear));                      // gear
    record.Write(float(VehicleState::GetRPM(car)));        // rpm
    record.Write(float(car.FLSlipCoef));                   // slip
    record.Write(float(car.FRSlipCoef));
    record.Write(float(car.RLSlipCoef));
    record.Write(float(car.RRSlipCoef));
    record.Write(float(Time::Now - g_landedAt));           // flying_ms
    record.Seek(0);
    return record;
}

// The clock that StartTime belongs to: of the rules where they run here, else of the client.
int Now(CGameCtnApp@ app)
{
    CSmArenaRulesMode@ rules = cast<CSmArenaRulesMode>(app.PlaygroundScript);
    if (rules !is null) return int(rules.Now);
    return int(app.Network.PlaygroundClientScriptAPI.GameTime);
}

void WriteMagic(MemoryBuffer@ record)
{
    record.Write(uint8(66));   // B
    record.Write(uint8(84));   // T
    record.Write(uint8(82));   // R
    record.Write(uint8(255));  // as a float32 this is not a number
}

void WriteMap(MemoryBuffer@ record, const string &in uid)
{
    for (uint i = 0; i < MAP_BYTES; i++) {
        record.Write(uint8(i < uint(uid.Length) ? uid[i] : 0));
    }
}

void WriteVector(MemoryBuffer@ record, const vec3 &in vector)
{
    record.Write(float(vector.x));
    record.Write(float(vector.y));
    record.Write(float(vector.z));
}
