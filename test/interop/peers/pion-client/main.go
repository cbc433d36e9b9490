// pion as a client: main SIGNALLING_URL COUNT. Does what echo.mjs does.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v3"
)

const window = 8

var sizes = map[string][]int{"unreliable": {0, 4, 100, 1100, 16384}, "reliable": {0, 4, 100, 1100, 16384, 60000}}

func messageOf(label string, index int) webrtc.DataChannelMessage {
	size := sizes[label][index%len(sizes[label])]
	if size == 0 {
		return webrtc.DataChannelMessage{IsString: true, Data: []byte(fmt.Sprintf("%d ä€😀", index))}
	}
	data := bytes.Repeat([]byte{byte(index)}, size)
	binary.BigEndian.PutUint32(data, uint32(index))
	return webrtc.DataChannelMessage{Data: data}
}

func numberOf(message webrtc.DataChannelMessage) int {
	if !message.IsString {
		return int(binary.BigEndian.Uint32(message.Data))
	}
	index, err := strconv.Atoi(strings.SplitN(string(message.Data), " ", 2)[0])
	check(err)
	return index
}

func send(channel *webrtc.DataChannel, message webrtc.DataChannelMessage) {
	if message.IsString {
		check(channel.SendText(string(message.Data)))
	} else {
		check(channel.Send(message.Data))
	}
}

func echo(channel *webrtc.DataChannel, received <-chan webrtc.DataChannelMessage, count int) {
	waiting := map[int]webrtc.DataChannelMessage{}
	for next := 0; next < count || len(waiting) > 0; {
		for ; next < count && len(waiting) < window; next++ {
			waiting[next] = messageOf(channel.Label(), next)
			send(channel, waiting[next])
		}
		message := <-received
		index := numberOf(message)
		sent, isWaiting := waiting[index]
		if !isWaiting || sent.IsString != message.IsString || !bytes.Equal(sent.Data, message.Data) {
			panic(fmt.Sprintf("%s: message %d came back changed, or twice", channel.Label(), index))
		}
		delete(waiting, index)
	}
	fmt.Println(channel.Label(), count, "echoes")
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	peer, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	check(err)
	peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) { fmt.Println("state", state) })
	ordered, maxRetransmits := false, uint16(0)
	unreliable, err := peer.CreateDataChannel("unreliable", &webrtc.DataChannelInit{Ordered: &ordered, MaxRetransmits: &maxRetransmits})
	check(err)
	reliable, err := peer.CreateDataChannel("reliable", nil)
	check(err)

	channels := []*webrtc.DataChannel{unreliable, reliable}
	received := make([]chan webrtc.DataChannelMessage, len(channels))
	opened := make(chan bool, len(channels))
	for i, channel := range channels {
		messages := make(chan webrtc.DataChannelMessage, window)
		received[i] = messages
		channel.OnMessage(func(message webrtc.DataChannelMessage) { messages <- message })
		channel.OnOpen(func() { opened <- true })
	}

	offer, err := peer.CreateOffer(nil)
	check(err)
	gathered := webrtc.GatheringCompletePromise(peer)
	check(peer.SetLocalDescription(offer))
	<-gathered
	response, err := http.Post(os.Args[1], "application/sdp", strings.NewReader(peer.LocalDescription().SDP))
	check(err)
	var session struct{ Answer webrtc.SessionDescription }
	check(json.NewDecoder(response.Body).Decode(&session))
	check(peer.SetRemoteDescription(session.Answer))
	for range channels {
		<-opened
	}
	for i, channel := range channels {
		echo(channel, received[i], count)
	}
	check(peer.Close())
}
